"""Files with code in them, damaged ones, and files of another kind are refused in a sentence."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sphereface_plus.pretrained import PretrainedError, convert
from sphereface_plus.pretrained.torch_files import read_state_dict


class Malicious:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_file_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path, capsys):
    torch.save({"conv1_1.weight": Malicious()}, tmp_path / "bad.pth")
    with pytest.raises(
        PretrainedError, match=r"holds more than tensors and plain data; refused, .* state_dict\(\)"
    ):
        convert(tmp_path / "bad.pth", tmp_path / "face.safetensors", "clcarwin")
    assert capsys.readouterr().out == ""


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    torch.save({"fc5.weight": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "bomb.pth")
    with pytest.raises(PretrainedError, match=r"fc5\.weight claims more numbers than the file holds"):
        convert(tmp_path / "bomb.pth", tmp_path / "face.safetensors", "clcarwin")


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta", "ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    "make",
    [
        lambda tensor: tensor.to("meta"),
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor.to_sparse_csr(),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda tensor: tensor.to(torch.uint8).view(torch.float4_e2m1fn_x2),
    ],
)
def test_a_tensor_that_is_not_its_numbers_one_by_one_is_refused(tmp_path, make):
    torch.save({"fc5.weight": make(torch.eye(3)), "fc5.bias": torch.ones(3)}, tmp_path / "x.pth")
    with pytest.raises(PretrainedError, match=r"fc5\.weight claims .*, or holds them in another form"):
        convert(tmp_path / "x.pth", tmp_path / "face.safetensors", "clcarwin")


def test_a_tuple_that_cannot_be_hashed_is_refused_in_the_old_form_too(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "x.pth").read_bytes()
    deep = b"\x80\x02}(" + b")" + b"\x85" * 10**6 + b"K\x01u."
    (tmp_path / "x.pth").write_bytes(data[: data.index(b"\x80\x02}q\x00X\x01")] + deep + data)
    with pytest.raises(PretrainedError, match="its tuples are nested too deep"):
        read_state_dict(tmp_path / "x.pth")


def test_an_embedding_of_no_numbers_is_refused(tmp_path):
    state = {f"conv{stage}_1.weight": torch.ones(1) for stage in (1, 2, 3, 4)}
    torch.save(state | {"fc5.weight": torch.ones(0, 512 * 42)}, tmp_path / "x.pth")
    with pytest.raises(PretrainedError, match=r"x\.pth: is not a SphereFace network of this format"):
        convert(tmp_path / "x.pth", tmp_path / "face.safetensors", "clcarwin")


def test_other_files_are_refused_in_a_sentence(tmp_path):
    out = tmp_path / "face.safetensors"

    def refused(content, match, name="x.pth"):
        (tmp_path / name).write_bytes(content) if isinstance(content, bytes) else torch.save(
            content, tmp_path / name
        )
        with pytest.raises(PretrainedError, match=match):
            convert(tmp_path / name, out, "cosface")

    refused(b"<!DOCTYPE html>", r"x\.pth: is damaged, cut short or no file of torch's")
    refused(b"", r"x\.pth: is damaged, cut short or no file of torch's")
    refused(torch.zeros(3), "holds a Tensor, not tensors by name")
    refused({"epoch": 3}, "holds no state dict, but epoch")
    refused({"epoch\n\x1b[2J": 3}, r"holds no state dict, but epoch\\n\\x1b")
    refused({"a\n": torch.zeros(2)}, r"has the tensor 'a\\n', which is not a name")
    refused({"a" * 301: torch.zeros(2)}, "has the tensor 'a{60}', which is not a name")
    refused({"a": torch.zeros(2)}, r"is not a SphereFace network of .* residual units \(0, 0, 0, 0\)")
    refused(b"\x01\x02", "no safetensors file", name="x.safetensors")
    with pytest.raises(PretrainedError, match=r"none\.pth: there is no such file"):
        convert(tmp_path / "none.pth", out, "cosface")
    with pytest.raises(PretrainedError, match=r"face\.pt: the name of a weight file ends in \.safetensors"):
        convert(tmp_path / "x.pth", tmp_path / "face.pt", "cosface")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["net.pth", "old.pth", "net.safetensors"])
def test_damage_anywhere_in_a_state_dict_is_read_or_refused_in_a_sentence(tmp_path, name, data):
    state = {"conv1_1.weight": torch.arange(12.0).reshape(3, 4), "conv1_1.bias": torch.ones(3)}
    if name.endswith("safetensors"):
        save_file(state, tmp_path / name)
    else:  # old: the form before torch 1.6, a row of pickles
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=name == "net.pth")
    damaged = bytearray((tmp_path / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        tensors = read_state_dict(tmp_path / name)
    except PretrainedError as error:
        assert f"{name}: " in str(error)  # noqa: PT017
    else:
        assert sum(tensor.nbytes for tensor in tensors.values()) <= len(damaged)
