"""Writes src/test/resources/goldens/tagger: a tagger of seven tags that are the mean blue, green and red of a picture.

usage, from the repository's root: python trainer-runtime/src/test/goldens/tagger_goldens.py
Needs onnx 1.23.2.
"""
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

OUT = Path("trainer-runtime/src/test/resources/goldens/tagger")
OUT.mkdir(parents=True, exist_ok=True)
# Of (blue, green, red) in [0, 1]: rating, blue, green, red, o_o (all), a name, blue in another thousand.
weights = np.array([[0, 1, 0, 0, .33, 0, 0], [0, 0, 1, 0, .33, 0, 0], [0, 0, 0, 1, .33, .9, 0]], np.float32)
bias = np.array([1, 0, 0, 0, 0, 0, 0], np.float32)
graph = helper.make_graph(
    [helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
     helper.make_node("Div", ["mean", "white"], ["share"]),
     helper.make_node("Gemm", ["share", "w", "b"], ["sum"]),
     helper.make_node("Clip", ["sum", "zero", "one"], ["output"])],
    "tagger",
    [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 16, 16, 3])],
    [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 7])],
    [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b"),
     numpy_helper.from_array(np.array(255, np.float32), "white"),
     numpy_helper.from_array(np.array(0, np.float32), "zero"), numpy_helper.from_array(np.array(1, np.float32), "one")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
model.ir_version = 8
onnx.checker.check_model(model)
onnx.save(model, OUT / "model.onnx")
(OUT / "selected_tags.csv").write_text("""tag_id,name,category,count
9999999,general,9,1
1,blue_sky,0,1
2,green_grass,0,1
3,red_rose,0,1
4,o_o,0,1
5,"ruby_(a,_b)",4,1
6,nothing,0,1
""")
