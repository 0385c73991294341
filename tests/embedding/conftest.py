"""A small run, a linear ONNX file, and crops for both."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sphereface_plus import checkpoint
from sphereface_plus.config import to_dict
from sphereface_plus.networks import build_network
from tests.embedding.small_models import CONFIG


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 32, 3), dtype=np.uint8)


@pytest.fixture
def network():
    return build_network(CONFIG.network).eval()


@pytest.fixture
def run_folder(tmp_path, network):
    payload = {"config": to_dict(CONFIG), "network": network.state_dict()}
    checkpoint.save(tmp_path / "run" / "checkpoints" / "last.pt", payload)
    return tmp_path / "run"


@pytest.fixture
def linear_onnx(tmp_path):
    """(batch, outside): an ONNX file that multiplies the flat input with a matrix, and that matrix."""

    def write(batch="batch", *, outside=False, output=(8,), outputs=1):
        weight = np.random.default_rng(1).normal(size=(3 * 48 * 32, 8)).astype(np.float32)
        names = [f"embeddings{number}" for number in range(outputs)]
        nodes = [helper.make_node("Flatten", ["crops"], ["flat"])]
        nodes += [helper.make_node("MatMul", ["flat", "weight"], [f"product{n}"]) for n in range(outputs)]
        nodes += [helper.make_node("Reshape", [f"product{n}", "shape"], [names[n]]) for n in range(outputs)]
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("crops", TensorProto.FLOAT, [batch, 3, 48, 32])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *output]) for name in names],
            [
                numpy_helper.from_array(weight, "weight"),
                numpy_helper.from_array(np.array([-1, *output]), "shape"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "model.onnx", save_as_external_data=outside, location="model.onnx.data")
        return tmp_path / "model.onnx", weight

    return write
