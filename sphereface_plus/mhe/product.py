"""Matrix products of float32 on the CPU, by oneDNN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """left (n, D) @ right (K, D)^T -> (n, K).

    torch hands float32 matrices to MKL, which leaves AVX-512 alone on AMD processors, and 1x1 convolutions,
    the same sums, to oneDNN: 1.8 times as fast there (tests/benchmarks/bench_classifier_energy.py). On a GPU
    a convolution would round to TF32, so there, and in float64, this is the plain product.
    """
    if left.device.type != "cpu" or left.dtype != torch.float32:
        return left @ right.T
    n, features = left.shape
    # (1, D, n, 1) with the channels last: the rows as they lie in memory, and so comes the result
    image = left.reshape(1, n, 1, features).permute(0, 3, 1, 2)
    return F.conv2d(image, right[:, :, None, None]).permute(0, 2, 3, 1).reshape(n, len(right))
