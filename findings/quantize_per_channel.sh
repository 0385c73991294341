#!/bin/sh
# onnxruntime: quantize_dynamic(per_channel=True) writes, for a network of convolutions, the same bytes as without it.
. "$(dirname "$0")/setup.sh"
packages onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >make.py <<'PY'
import logging
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

logging.disable(logging.WARNING)
random = numpy.random.default_rng(0)
weight = random.standard_normal((8, 3, 3, 3)).astype("float32")
weight *= numpy.logspace(-2, 0, 8, dtype="float32")[:, None, None, None]  # channels of very unlike size
graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "weight"], ["y"])], "one_convolution",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 6, 6])],
    [numpy_helper.from_array(weight, "weight")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), "float.onnx")
for name, per_channel in (("tensor", False), ("channel", True)):
    quantize_dynamic("float.onnx", f"{name}.onnx", per_channel=per_channel)
for name in ("tensor", "channel"):
    model = onnx.load(f"{name}.onnx")
    scales = {i.name: list(i.dims) for i in model.graph.initializer if "scale" in i.name}
    print(name, [node.op_type for node in model.graph.node], scales)
assert Path("tensor.onnx").read_bytes() == Path("channel.onnx").read_bytes()
print("the same bytes")
PY
venv/bin/python make.py
