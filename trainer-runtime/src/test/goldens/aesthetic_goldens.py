"""Makes src/test/resources/helper-goldens/aesthetic.onnx, a random tiny network with the input and output of the one that
examples/aesthetic/convert_eden.py writes, and aesthetic.json, what onnxruntime says with it of bundled pictures and of a wide
one, prepared by Pillow as Eden's trainer does. From the repository's root:

    python -m venv env && env/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0
    env/bin/python trainer-runtime/src/test/goldens/aesthetic_goldens.py
"""
import json
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

OUT = "trainer-runtime/src/test/resources/helper-goldens"
PICTURES = ["examples/bundled/fluent-cats/cat-face.png", "examples/bundled/robot/robot-00.png", f"{OUT}/wide.png"]
random = np.random.default_rng(3)

Image.fromarray(random.integers(0, 256, (9, 16, 3), dtype=np.uint8)).resize((320, 180), Image.BICUBIC).save(f"{OUT}/wide.png")
weights = {"w": random.normal(size=(4, 3, 28, 28)) / 28, "h": random.normal(size=(4 * 64, 1)) / 16, "b": np.array([0.5])}
graph = helper.make_graph(
    [
        helper.make_node("Conv", ["picture", "w"], ["features"], strides=[28, 28]),
        helper.make_node("LeakyRelu", ["features"], ["bent"], alpha=0.01),
        helper.make_node("Flatten", ["bent"], ["flat"]),
        helper.make_node("Gemm", ["flat", "h", "b"], ["score"]),
    ],
    "aesthetic",
    [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, 224, 224])],
    [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
    [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, f"{OUT}/aesthetic.onnx")

session = onnxruntime.InferenceSession(f"{OUT}/aesthetic.onnx")
scores = {}
for name in PICTURES:
    picture = Image.open(name).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((224, 224), Image.BILINEAR)
    x = (np.asarray(square, dtype=np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    scores[name] = float(session.run(None, {"picture": x.transpose(2, 0, 1)[None].astype(np.float32)})[0][0, 0])
json.dump(scores, open(f"{OUT}/aesthetic.json", "w"), indent=1)
