"""MuggleWang/CosFace_pytorch: sphere(type=20 or 64), the released graphs; 64 is the one of 62 convolutions.

The network sees RGB, (v - 127.5) / 127.5. Its classifier is a file of its own.
"""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.pretrained.converted import Converted
from sphereface_plus.pretrained.sphereface_names import Names, to_sphereface
from sphereface_plus.pretrained.torch_files import read_state_dict


def _convolution(stage: int, unit: int, number: int) -> str:
    return f"layer{stage}.{unit + 1}.conv{number}" if unit else f"layer{stage}.0"


def _prelu(stage: int, unit: int, number: int) -> str:
    return f"layer{stage}.{unit + 1}.prelu{number}" if unit else f"layer{stage}.1"


NAMES = Names(_convolution, _prelu, embed="fc")


def read(path: Path) -> Converted:
    """The network of a state dict. Raises PretrainedError."""
    tensors = read_state_dict(path)
    return to_sphereface(path, tensors, NAMES, variant="caffe", color="rgb", std=127.5)
