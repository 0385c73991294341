"""SphereConv: a convolution that looks at angles only (Liu et al., Deep Hyperspherical Learning, 2017).

A neuron w meets a patch x of the map at the angle theta and gives g(theta), instead of |w| |x| cos(theta):

    cosine   g = cos(theta)
    linear   g = 1 - 2 theta / pi
    sigmoid  g = c (1 - e^u) / (1 + e^u),  u = (theta - pi/2) / k,  c such that g(0) = 1;  k = 0.3

All three fall from 1 at theta = 0 to -1 at pi. The paper's Table 13 evaluates the cosine only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.networks.tracing import outside_autocast

TINY = 1e-4  # added to squared lengths, as in the authors' code: patches of zeros have cosine 0, not 0 / 0
SIGMOID_K = 0.3


def cosine(cosines: Tensor) -> Tensor:
    return cosines


def linear(cosines: Tensor) -> Tensor:
    return _below_right_angle(cosines) / (math.pi / 2)


def sigmoid(cosines: Tensor) -> Tensor:
    # (1 - e^u) / (1 + e^u) = tanh(-u / 2), which cannot overflow
    return torch.tanh(_below_right_angle(cosines) / (2 * SIGMOID_K)) / math.tanh(math.pi / (4 * SIGMOID_K))


def _below_right_angle(cosines: Tensor) -> Tensor:
    """pi/2 - theta. The derivative is infinite at a cosine of +-1, which rounding can reach: stop before."""
    return torch.asin(cosines.clamp(-1 + 1e-6, 1 - 1e-6))


OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {"cosine": cosine, "linear": linear, "sigmoid": sigmoid}


class SphereConv2d(nn.Conv2d):
    """g(theta) of each neuron with each patch: (B, C, H, W) -> (B, N, H', W') in fp32.

    weight (N, C, k, k), as nn.Conv2d's; there is no bias. Zero padding counts as zeros of the patch.
    operator: a key of OPERATORS. Raises ValueError for another one.
    Under autocast the products of "cosine" are taken in its type, those of the other two in fp32: in bf16 an
    angle of 3 degrees comes out anywhere between 0 and 5.
    """

    def __init__(
        self, in_channels: int, width: int, kernel_size: int, padding: int, operator: str = "cosine"
    ) -> None:
        if operator not in OPERATORS:
            raise ValueError(f"operator: expected one of {', '.join(OPERATORS)}, got {operator!r}")
        super().__init__(in_channels, width, kernel_size, padding=padding, bias=False)
        self.operator, self.pad = operator, padding
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        squared = self.weight.square().sum((1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
        units = self.weight / (squared + TINY).sqrt()
        outside = outside_autocast(input)
        input = input.to(self.weight.dtype)
        with nullcontext() if self.operator == "cosine" else outside:
            products = F.conv2d(input, units, padding=self.pad)  # |x_patch| cos(theta)
        with outside:
            pixels = input.square().sum(1, keepdim=True)  # (B, 1, H, W)
            patches = F.avg_pool2d(pixels, self.kernel_size, 1, self.pad, divisor_override=1)  # sums
            cosines = products.to(self.weight.dtype) / (patches + TINY).sqrt()  # (B, N, H', W')
            return OPERATORS[self.operator](cosines)
