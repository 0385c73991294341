"""The two layers that all image networks are made of: He's convolution and batch normalisation."""

from __future__ import annotations

from torch import nn

# (eps, momentum). The paper names neither, so torch's own are the default. The released code of MHE and that
# of SphereNet have an epsilon of 1e-3 and keep 0.999 of the running statistics: after 1,000 steps 37 % of
# them are still the initial ones, which only long runs forgive.
BATCH_NORMS = {"torch": (1e-5, 0.1), "mhe_code": (1e-3, 1e-3)}


def he_convolution(
    in_channels: int, width: int, kernel_size: int, padding: int, stride: int = 1
) -> nn.Conv2d:
    """Convolution without bias, its weights from N(0, 2 / fan_in): He et al., the paper's [14]."""
    layer = nn.Conv2d(in_channels, width, kernel_size, stride, padding, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    return layer


def batch_norm(width: int, preset: str) -> nn.BatchNorm2d:
    """Batch normalisation of maps (B, width, H, W) with the numbers of a preset, a key of BATCH_NORMS."""
    if preset not in BATCH_NORMS:
        raise ValueError(f"batch_norm: expected one of {', '.join(BATCH_NORMS)}, got {preset!r}")
    eps, momentum = BATCH_NORMS[preset]
    return nn.BatchNorm2d(width, eps=eps, momentum=momentum)
