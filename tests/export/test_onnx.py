import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from sphereface_plus import checkpoint
from sphereface_plus.__main__ import cli
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.config import InputSpec, from_dict, to_dict
from sphereface_plus.embedding import Embedder
from sphereface_plus.export import checked
from sphereface_plus.export import onnx as onnx_export
from sphereface_plus.export.checked import ExportError
from sphereface_plus.export.onnx import export_onnx
from sphereface_plus.networks import build_network
from tests.small_sets import small_recipe

SPEC = InputSpec(template="small_48x32", height=48, width=32, color="rgb", mean=(120.0, 110.0, 100.0))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    network = {"name": "sphereface4", "embedding_size": 8, "input": to_dict(SPEC)}
    config = from_dict(small_recipe(network=network))
    folder = tmp_path_factory.mktemp("run")
    network = build_network(config.network)
    checkpoint.save(
        folder / "checkpoints" / "last.pt", {"config": to_dict(config), "network": network.state_dict()}
    )
    return folder


@pytest.mark.slow
def test_an_exported_network_is_the_checkpoints_in_any_batch_and_brings_its_input_spec(run_folder, tmp_path):
    out = tmp_path / "new" / "model.onnx"
    assert export_onnx(run_folder, out) < 1e-5
    assert sorted(path.name for path in out.parent.iterdir()) == ["model.onnx", "model.onnx.yaml"]
    exported, original = Embedder.load(out, device="cpu"), Embedder.load(run_folder, device="cpu")
    assert exported.input == original.input == SPEC
    crops = np.random.default_rng(0).integers(0, 256, (9, 48, 32, 3), dtype=np.uint8)
    for batch in (1, 2, 9):
        np.testing.assert_allclose(
            exported(crops[:batch], "concat"), original(crops[:batch], "concat"), rtol=0, atol=1e-5
        )
    said = dict(exported.provenance)
    assert said.pop("from").startswith("last.pt (sphereface_plus), sha256 " + original.fingerprint)
    assert said == {"recipe": "test", "seed": 0, "trained in": "auto", "license": "not stated"}
    # The exporter puts stack traces, and with them this machine's paths, into every node.
    assert b".py" not in out.read_bytes()
    (crops_input,) = onnx.load(out).graph.input
    dimensions = crops_input.type.tensor_type.shape.dim
    assert (crops_input.name, dimensions[0].dim_param) == ("crops", "batch")
    assert [dimension.dim_value for dimension in dimensions[1:]] == [3, 48, 32]


def test_a_failed_export_leaves_what_was_there(run_folder, tmp_path, monkeypatch):
    out = tmp_path / "model.onnx"
    out.write_bytes(b"the old one")

    def fails(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(onnx_export, "_exported", fails)
    with pytest.raises(RuntimeError, match="disk full"):
        export_onnx(run_folder, out)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert out.read_bytes() == b"the old one"


@pytest.mark.parametrize("difference", [float("nan"), 0.01])
def test_a_file_that_does_not_give_torchs_embeddings_is_not_written(
    run_folder, tmp_path, monkeypatch, difference
):
    monkeypatch.setattr(onnx_export, "_encoded", lambda *_: b"")
    monkeypatch.setattr(onnx_export, "_loaded", lambda *_: None)
    monkeypatch.setattr(checked, "_difference", lambda *_: (difference, 2.0))
    with pytest.raises(
        ExportError,
        match=r"run0: the program's embeddings differ from the network's by (nan|1\.0e-02), where the "
        r"largest number is 2\.0e\+00; no file was written",
    ):
        export_onnx(run_folder, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_whose_weights_are_not_finite_is_not_exported(run_folder, tmp_path):
    payload = checkpoint.load(run_folder)
    payload["network"]["stages.0.down.bias"].fill_(float("nan"))
    checkpoint.save(tmp_path / "bad.pt", {name: payload[name] for name in ("config", "network")})
    with pytest.raises(
        CheckpointError, match=r"bad\.pt: its weights are not finite \(stages\.0\.down\.bias\)"
    ):
        export_onnx(tmp_path / "bad.pt", tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]


def test_the_command_refuses_an_impossible_file_before_the_work(tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()
    for name, sentence in (
        ("folder.onnx", f"is a folder; name a file, such as {tmp_path}/folder.onnx/model.onnx"),
        ("file/model.onnx", "file: is a file; name another folder"),
    ):
        result = CliRunner().invoke(cli, ["export", "no_model", str(tmp_path / name)])
        assert result.output.startswith("error: ")
        assert sentence in result.output


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: there is no such run folder or checkpoint"):
        export_onnx(tmp_path / "nowhere", tmp_path / "model.onnx")
