"""psi, SphereFace's monotone extension of cos(m theta) from [0, pi / m] to [0, pi]."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def psi(cosine: Tensor, margin: int) -> Tensor:
    """psi_m of the angle whose cosine is given, any shape; falls from 1 at cosine 1 to 1 - 2m at cosine -1.

        psi_m(theta) = (-1)^k cos(m theta) - 2k    for theta in [k pi / m, (k + 1) pi / m], k = 0 .. m - 1

    No arccos is taken, so that the derivative by the cosine is finite everywhere, and m^2 at -1 and 1:
    cos(m theta) is the Chebyshev polynomial T_m of the cosine, and k is the number of knots pi / m, 2 pi / m,
    ... that theta has passed. psi and its derivative are continuous at the knots, so rounding there costs
    nothing.
    """
    k = _knots_passed(cosine, margin)
    return _alternating_sign(k) * _chebyshev_t(cosine, margin) - 2 * k


def psi_derivative(cosine: Tensor, margin: int) -> Tensor:
    """d psi_m / d cosine, (-1)^k T_m'(cosine), where T_m' = m U_(m-1)."""
    k = _knots_passed(cosine, margin)
    return _alternating_sign(k) * margin * _chebyshev_u(cosine, margin - 1)


def _knots_passed(cosine: Tensor, margin: int) -> Tensor:
    k = torch.zeros_like(cosine)
    for j in range(1, margin):
        k += cosine < math.cos(j * math.pi / margin)
    return k


def _alternating_sign(k: Tensor) -> Tensor:
    return 1 - 2 * (k % 2)  # (-1)^k


def _chebyshev_t(x: Tensor, n: int) -> Tensor:
    # T_0 = 1, T_1 = x, T_(n+1) = 2 x T_n - T_(n-1); T_n(cos theta) = cos(n theta)
    lower, value = torch.ones_like(x), x
    for _ in range(n - 1):
        lower, value = value, 2 * x * value - lower
    return value


def _chebyshev_u(x: Tensor, n: int) -> Tensor:
    # U_(-1) = 0, U_0 = 1, U_(n+1) = 2 x U_n - U_(n-1); U_n(cos theta) = sin((n + 1) theta) / sin(theta)
    lower, value = torch.zeros_like(x), torch.ones_like(x)
    for _ in range(n):
        lower, value = value, 2 * x * value - lower
    return value
