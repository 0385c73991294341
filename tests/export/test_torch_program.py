import numpy as np
import pytest
import torch

from sphereface_plus import weights
from sphereface_plus.config import InputSpec, NetworkConfig, load_input_spec
from sphereface_plus.data.crops import normalise
from sphereface_plus.embedding import Embedder
from sphereface_plus.export import checked
from sphereface_plus.export import torch_program as torch_export
from sphereface_plus.export.checked import ExportError
from sphereface_plus.export.torch_program import export_torch
from sphereface_plus.files import WriteError
from sphereface_plus.networks import build_network
from sphereface_plus.weights import Origin, WeightsInfo

SPEC = InputSpec(template="small_48x32", height=48, width=32, color="rgb", mean=(120.0, 110.0, 100.0))


@pytest.fixture
def file(tmp_path):
    config = NetworkConfig(name="sphereface4", embedding_size=8, input=SPEC)
    info = WeightsInfo(network=config, origin=Origin(format="caffe", file="x", sha256="0" * 64))
    weights.save(tmp_path / "face.safetensors", info, build_network(config).state_dict())
    return tmp_path / "face.safetensors"


def test_an_exported_program_is_the_network_in_any_batch_and_brings_its_input_spec(
    file, tmp_path, repository, capfd
):
    out = tmp_path / "new" / "face.pt2"
    assert export_torch(file, out) < 1e-5
    assert capfd.readouterr().err == ""  # torch warns of files of other names
    assert sorted(path.name for path in out.parent.iterdir()) == ["face.pt2", "face.pt2.yaml"]
    program, spec = torch.export.load(out).module(), load_input_spec(f"{out}.yaml")
    assert spec == SPEC
    embedder = Embedder.load(file, device="cpu")
    crops = np.random.default_rng(0).integers(0, 256, (9, 48, 32, 3), dtype=np.uint8)
    for batch in (1, 2, 9):
        found = program(normalise(torch.from_numpy(crops[:batch]), spec)).numpy()
        np.testing.assert_allclose(found, embedder(crops[:batch]), rtol=0, atol=1e-5)
    assert str(repository).encode() not in out.read_bytes()


def test_a_program_that_computes_something_else_is_not_written(file, tmp_path, monkeypatch):
    monkeypatch.setattr(checked, "_difference", lambda *_: (float("nan"), 1.0))
    monkeypatch.setattr(torch_export, "_encoded", lambda *_: b"")
    monkeypatch.setattr(torch_export, "_loaded", lambda *_: None)
    with pytest.raises(
        ExportError, match=r"embeddings differ from the network's by nan.* no file was written"
    ):
        export_torch(file, tmp_path / "face.pt2")
    assert [path.name for path in tmp_path.iterdir()] == ["face.safetensors"]


def test_a_program_does_not_appear_without_its_input_spec(file, tmp_path):
    (tmp_path / "face.pt2.yaml").mkdir()
    with pytest.raises(WriteError, match=r"face\.pt2\.yaml: cannot be written"):
        export_torch(file, tmp_path / "face.pt2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.pt2.yaml", "face.safetensors"]
