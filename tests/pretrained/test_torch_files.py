"""What cannot be read is called damaged only where it is."""

import pytest
import torch
from safetensors import SafetensorError

from sphereface_plus.pretrained import torch_files
from sphereface_plus.pretrained.errors import PretrainedError


@pytest.mark.parametrize(
    ("name", "reader", "error"),
    [
        ("a.pth", "torch.load", RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")),
        ("a.pth", "torch.load", MemoryError()),
        (
            "a.safetensors",
            "sphereface_plus.pretrained.torch_files.load_file",
            SafetensorError("Error while mapping: Cannot allocate memory (12)"),
        ),
    ],
)
def test_short_memory_is_no_damage(tmp_path, monkeypatch, name, reader, error):
    def short(*_, **__):
        raise error

    torch.save({"weight": torch.ones(2)}, tmp_path / name)
    monkeypatch.setattr(reader, short)
    with pytest.raises(PretrainedError, match=rf"{name}: cannot be read, memory is short \("):
        torch_files.read_state_dict(tmp_path / name)
