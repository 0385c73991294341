"""The output's name decides the form; the writers have tests of their own."""

import pytest
import torch

from sphereface_plus import hub, weights
from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.export import export
from sphereface_plus.export import onnx as onnx_export
from sphereface_plus.export import torch_program as torch_export
from sphereface_plus.networks import build_network
from sphereface_plus.path_checks import PlaceError
from sphereface_plus.weights import Origin, WeightsInfo


@pytest.fixture
def file(tmp_path):
    config = NetworkConfig(
        name="sphereface4", embedding_size=8, input=InputSpec(template="small_48x32", height=48, width=32)
    )
    info = WeightsInfo(network=config, origin=Origin(format="caffe", file="x", sha256="0" * 64))
    weights.save(tmp_path / "face.safetensors", info, build_network(config).state_dict(), torch.eye(2, 8))
    return tmp_path / "face.safetensors"


@pytest.mark.parametrize(
    ("name", "module", "writer", "said"),
    [
        ("a.onnx", onnx_export, "export_onnx", "a.onnx.yaml: onnxruntime agrees with torch to 2.0e-07"),
        ("a.pt2", torch_export, "export_torch", "a.pt2.yaml: the program agrees with the network to 2.0e-07"),
    ],
)
def test_programs_are_written_with_the_difference_to_the_network(
    file, tmp_path, monkeypatch, name, module, writer, said
):
    monkeypatch.setattr(module, writer, lambda model, out: 2e-7)
    assert export(file, tmp_path / name).endswith(said)
    with pytest.raises(
        PlaceError, match="holds no terms and no head; --license and --with-head are for weight"
    ):
        export(file, tmp_path / name, license="MIT")


def test_a_weight_file_and_a_folder_hold_the_head_if_asked_for(file, tmp_path):
    assert export(file, tmp_path / "b.safetensors").endswith(
        "b.safetensors: 14 tensors, and how to feed them"
    )
    assert "15 tensors" in export(file, tmp_path / "c.safetensors", head=True)
    said = export(file, tmp_path / "folder", license="MIT", head=True)
    assert said.endswith("README.md, a model card to read before passing it on")
    model = weights.load(tmp_path / "folder")
    assert (model.info.origin.license, len(model.loss["prototypes"])) == ("MIT", 2)


def test_other_names_are_refused(file, tmp_path):
    with pytest.raises(PlaceError, match=r"a\.pb: ends in none of \.onnx, \.pt2 and \.safetensors"):
        export(file, tmp_path / "a.pb")
    (tmp_path / "taken").write_text("")
    with pytest.raises(PlaceError, match="taken: is a file; name another folder"):
        export(file, tmp_path / "taken")
    assert hub.MODEL not in [path.name for path in tmp_path.iterdir()]
