"""ONNX files that are damaged, hostile or not a network of faces are refused in a sentence."""

import warnings
from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from sphereface_plus.data.crops import SpecError
from sphereface_plus.embedding import Embedder
from sphereface_plus.onnx_import import OnnxError, onnx_facts
from tests.embedding.small_models import SPEC


def test_onnx_files_that_are_no_network_are_refused(linear_onnx, tmp_path, crops):
    with pytest.raises(OnnxError, match=r"none\.onnx: there is no such ONNX file"):
        Embedder.load(tmp_path / "none.onnx", input=SPEC)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(OnnxError, match=r"bad\.onnx: onnxruntime cannot load it \("):
        Embedder.load(tmp_path / "bad.onnx", input=SPEC)
    path, _ = linear_onnx(outputs=2)
    with pytest.raises(
        OnnxError,
        match=r"has 2 outputs, of which 2 can be embeddings: embeddings0 \(2, 8\), embeddings1 \(2, 8\); "
        "name one in its input spec, as a line `output: NAME`",
    ):
        Embedder.load(path, input=SPEC)
    path, _ = linear_onnx(output=(4, 2))
    with pytest.raises(OnnxError, match=r"gives float32 \(5, 4, 2\) for 5 crops, expected floats \(5, D\)"):
        Embedder.load(path, input=SPEC)(crops)
    path, _ = linear_onnx(outside=True)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(OnnxError, match="onnxruntime cannot load it"):
        Embedder.load(path, input=SPEC)


@pytest.mark.parametrize("batch", [0, 4097, 2**40])
def test_an_onnx_file_that_fixes_the_batch_to_what_no_memory_holds_is_refused(linear_onnx, batch):
    path, _ = linear_onnx(batch)
    with pytest.raises(OnnxError, match=rf"takes {batch} crops at a time, expected 1 to 4096|cannot load it"):
        Embedder.load(path, input=SPEC)


def one_node_onnx(path, *nodes):
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["batch", 3, 48, 32])],
        [helper.make_empty_tensor_value_info("out")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_what_an_onnx_file_raises_while_it_runs_is_its_error(tmp_path, crops):
    shape = helper.make_node("Constant", [], ["shape"], value_ints=[7, 7])
    path = one_node_onnx(tmp_path / "a.onnx", shape, helper.make_node("Reshape", ["crops", "shape"], ["out"]))
    with pytest.raises(OnnxError, match=r"a\.onnx: onnxruntime cannot run it \(.*Reshape"):
        Embedder.load(path, input=SPEC)(crops)
    flat = helper.make_node("Flatten", ["crops"], ["flat"])
    path = one_node_onnx(tmp_path / "a.onnx", flat, helper.make_node("Cast", ["flat"], ["out"], to=7))
    with pytest.raises(OnnxError, match=r"gives int64 \(5, 4608\) for 5 crops, expected floats \(5, D\)"):
        Embedder.load(path, input=SPEC)(crops)


@pytest.mark.parametrize("location", ["../secret", "/dev/zero", "a" * 300, "none"])
def test_an_onnx_file_does_not_have_other_files_read(linear_onnx, location):
    path, _ = linear_onnx()
    model = onnx.load(path)
    tensor = model.graph.initializer.add(name="other", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OnnxError, match=r"outside of its folder|cannot be read \("):
        onnx_facts(path)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(OnnxError, match="cannot be read as ONNX"):
        onnx_facts(path)


def test_an_onnx_file_that_cuda_was_asked_for_does_not_fall_back_to_the_cpu_in_silence(
    linear_onnx, monkeypatch
):
    path, _ = linear_onnx()
    with pytest.raises(OnnxError, match="the installed onnxruntime has no CUDA"):
        Embedder.load(path, input=SPEC, device="cuda")
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]  # built with CUDA, on a machine without it
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: both)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(OnnxError, match=r"model\.onnx: onnxruntime cannot use CUDA here"),
    ):
        Embedder.load(path, input=SPEC, device="cuda")
    with warnings.catch_warnings(action="ignore"):
        assert Embedder.load(path, input=SPEC, device="auto").runs_on == "cpu"


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_to_an_onnx_file_gives_another_error_than_its_own(tmp_path, damage, data):
    flat = helper.make_node("Flatten", ["crops"], ["out"])
    path = one_node_onnx(tmp_path / "fuzzed.onnx", flat)
    path.write_bytes(damage(data, path.read_bytes()))
    with suppress(OnnxError, SpecError):
        assert len(Embedder.load(path, input=SPEC, device="cpu")(np.zeros((2, 48, 32, 3), np.uint8))) == 2
