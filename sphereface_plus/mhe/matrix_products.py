"""Matrix products of neurons: on the CPU faster than the plain ones, and with gradients in full precision.

The energies leave autocast, but a backward that somebody calls inside autocast would round the gradient of a
plain product to bfloat16.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

GRAM_ROWS = 64  # of one product on the CPU; fewer leave the cores idle, more are multiplied in vain


def product(left: Tensor, right: Tensor) -> Tensor:
    """left (n, D) @ right (K, D)^T -> (n, K).

    torch hands float32 matrices to MKL, which leaves AVX-512 alone on AMD processors, and 1x1 convolutions,
    the same sums, to oneDNN: 1.8 times as fast there (tests/benchmarks/bench_classifier_energy.py). On an
    Intel Xeon MKL is the faster one in each size that was tried, also narrowed to AVX2 (docs/large_heads.md;
    tests/benchmarks/bench_head.py --products). On a GPU a convolution would round to TF32.
    """
    if left.device.type != "cpu" or left.dtype != torch.float32 or not _mkl_leaves_avx512_alone():
        return left @ right.T
    n, features = left.shape
    # (1, D, n, 1) with the channels last: the rows as they lie in memory, and so comes the result
    image = left.reshape(1, n, 1, features).permute(0, 3, 1, 2)
    return F.conv2d(image, right[:, :, None, None]).permute(0, 2, 3, 1).reshape(n, len(right))


@cache
def _mkl_leaves_avx512_alone() -> bool:
    try:
        processor = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return False
    return "AuthenticAMD" in processor and torch.backends.cpu.get_cpu_capability() == "AVX512"


def inner_products(left: Tensor, right: Tensor) -> Tensor:
    """left (n, D) @ right (K, D)^T -> (n, K), differentiable; also its gradient leaves autocast."""
    return _InnerProducts.apply(left, right)  # pyright: ignore[reportReturnType]


def gram_of(neurons: Tensor) -> Tensor:
    """W W^T (N, N) of W (N, D), differentiable; also its gradient leaves autocast."""
    return _Gram.apply(neurons)  # pyright: ignore[reportReturnType]


def gram_rows(neurons: Tensor) -> Tensor:
    """W W^T of W (N, D), to be written to, without a gradient. It is symmetric: on the CPU one half of a
    large one is multiplied, the other copied."""
    if neurons.device.type != "cpu" or len(neurons) <= 2 * GRAM_ROWS:
        return neurons @ neurons.T
    gram = neurons.new_empty(len(neurons), len(neurons))
    for start in range(0, len(neurons), GRAM_ROWS):
        rows, later = slice(start, start + GRAM_ROWS), slice(start + GRAM_ROWS, None)
        gram[rows, start:] = neurons[rows] @ neurons[start:].T
        gram[later, rows] = gram[rows, later].T
    return gram


class _InnerProducts(torch.autograd.Function):
    @staticmethod
    def forward(left: Tensor, right: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return left @ right.T

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        left, right = ctx.saved_tensors
        with torch.autocast(left.device.type, enabled=False):
            return (
                gradient @ right if ctx.needs_input_grad[0] else None,
                gradient.T @ left if ctx.needs_input_grad[1] else None,
            )


class _Gram(torch.autograd.Function):
    """Its backward is one product, where that of `W @ W.T` is two."""

    @staticmethod
    def forward(neurons: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gram_rows(neurons)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (neurons,) = ctx.saved_tensors
        with torch.autocast(neurons.device.type, enabled=False):
            return (gradient + gradient.T) @ neurons
