#!/bin/sh
# onnxruntime's wheel for Linux keeps a device id and a database for telemetry in the user's cache as soon as a session is
# made. ORT_DISABLE_TELEMETRY=1 keeps it from that. Whether anything was sent was not looked at.
. "$(dirname "$0")/setup.sh"
packages onnxruntime==1.32.0 onnx==1.22.0 numpy==2.4.6
cat >session.py <<'PY'
import onnx, onnxruntime
from onnx import TensorProto, helper
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", values[:1], values[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
print(onnxruntime.__version__)
PY
mkdir as_it_is disabled
HOME=$PWD/as_it_is XDG_CACHE_HOME= venv/bin/python session.py
HOME=$PWD/disabled XDG_CACHE_HOME= ORT_DISABLE_TELEMETRY=1 venv/bin/python session.py
echo "as it is:"; find as_it_is -type f
echo "with ORT_DISABLE_TELEMETRY=1:"; find disabled -type f
grep -aoh 'https://[a-z.]*events[a-z.]*/OneCollector/[0-9.]*' venv/lib/python*/site-packages/onnxruntime/capi/*.so | sort -u
test -f as_it_is/.cache/Microsoft/DeveloperTools/.onnxruntime/deviceid
test -z "$(find disabled -type f)"
