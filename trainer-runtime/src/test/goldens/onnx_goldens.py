#!/usr/bin/env python3
"""Writes src/test/resources/onnx-goldens/arrays.onnx: a graph that gives back what it is given, in each type that the
package onnx knows.

    python -m venv env && env/bin/pip install onnx==1.23.2
    env/bin/python trainer-runtime/src/test/goldens/onnx_goldens.py
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

TARGET = Path(__file__).parents[1] / "resources/onnx-goldens/arrays.onnx"


def value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, shape)


graph = helper.make_graph(
    [
        helper.make_node("Add", ["ids", "ids"], ["twice"]),
        helper.make_node("Neg", ["x"], ["negative"]),
        helper.make_node("Where", ["flag", "x", "negative"], ["y"]),
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Not", ["flag"], ["other"]),
    ],
    "arrays",
    [
        value("x", TensorProto.FLOAT, "rows", 3),
        value("ids", TensorProto.INT64, "rows"),
        value("flag", TensorProto.BOOL, 1),
    ],
    [
        value("y", TensorProto.FLOAT, "rows", 3),
        value("half", TensorProto.FLOAT16, "rows", 3),
        value("twice", TensorProto.INT64, "rows"),
        value("other", TensorProto.BOOL, 1),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
TARGET.parent.mkdir(parents=True, exist_ok=True)
onnx.save(model, TARGET)
