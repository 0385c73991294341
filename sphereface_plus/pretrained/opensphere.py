"""ydwen/opensphere: sfnet and sfnet_deprecated, with ReLU and biases everywhere, for crops of 112x112.

sfnet adds before a unit's last ReLU, sfnet_deprecated after it, and for a while both had the same names for
their tensors: the file does not show which it is, the config.yml of its run does. The network sees RGB,
(v - 127.5) / 127.5. The classifier is a file of its own.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from sphereface_plus.pretrained.converted import Converted
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.sphereface_names import Names, to_sphereface
from sphereface_plus.pretrained.torch_files import read_state_dict

LATER_DEPRECATED = "layer1.0.conv.weight"  # only the last form of sfnet_deprecated calls it so


def _convolution(stage: int, unit: int, number: int, *, first: str) -> str:
    return f"layer{stage}.{unit}.conv{number}" if unit else f"layer{stage}.0.{first}"


def _no_prelu(stage: int, unit: int, number: int) -> str:
    raise AssertionError("sfnet has ReLU, which has no tensors")


def read(path: Path, variant: Literal["sfnet", "sfnet_deprecated"]) -> Converted:
    """The network of a state dict. Raises PretrainedError."""
    tensors = read_state_dict(path)
    normalised = next((name for name in tensors if name.endswith("running_mean")), None)
    if normalised is not None:
        raise PretrainedError(
            f"{path}: has batch normalisation ({normalised}); only sfnet without it is read here"
        )
    later = LATER_DEPRECATED in tensors
    if later and variant == "sfnet":
        raise PretrainedError(f"{path}: is an sfnet_deprecated; take --from opensphere_deprecated")
    names = Names(partial(_convolution, first="conv" if later else "conv1"), _no_prelu, embed="fc")
    remarks = []
    if not later:
        remarks.append(
            f"read as {variant}; its tensors would be called the same in the other of sfnet and "
            "sfnet_deprecated, so compare with the config.yml of its run"
        )
    return to_sphereface(path, tensors, names, variant=variant, color="rgb", std=127.5, remarks=remarks)
