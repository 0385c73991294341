"""Colour order and pixel scale moved from the input spec into a network's first convolution.

The network computes conv((v - mean) / std), v in the spec's channel order. Per channel of the input,

    W * ((v - mean) / std) = (W / std) * (v - mean)

and padding adds zeros to both, so that dividing the weights by std, and putting their input channels
into another order, changes nothing. The mean cannot follow: b - sum(W mean) is right inside the crop, but at
its border the padding's zeros would stand for the pixel value 0 instead of the mean.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import SpecError


def fold_input(weight: Tensor, given: InputSpec, wanted: InputSpec) -> Tensor:
    """A first convolution's weights (out, 3, k, k), made for crops by `given`, for crops by `wanted`.

    Raises SpecError where the two differ in more than channel order and std.
    """
    reordered = given.color != wanted.color
    mean = given.mean[::-1] if reordered else given.mean
    differs = [
        name for name in ("template", "height", "width") if getattr(given, name) != getattr(wanted, name)
    ]
    if mean != wanted.mean:
        differs.append("mean")
    if differs:
        raise SpecError(
            f"only channel order and std can be folded into a padded convolution, not {', '.join(differs)}"
        )
    if reordered:
        weight = weight.flip(1)
    std = given.std[::-1] if reordered else given.std  # in the order of `wanted`
    scale = torch.tensor(wanted.std, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
    return (weight.double() * scale.view(1, 3, 1, 1)).to(weight.dtype)


def plain_spec(spec: InputSpec) -> InputSpec:
    """The spec with as much as possible left to the network: RGB, as crops are in memory, and std 1."""
    mean = spec.mean[::-1] if spec.color == "bgr" else spec.mean
    return spec.model_copy(update={"color": "rgb", "mean": mean, "std": (1.0, 1.0, 1.0)})
