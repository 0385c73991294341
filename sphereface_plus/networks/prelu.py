"""PReLU with one slope per channel, with a backward that is fast on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class ChannelPReLU(nn.PReLU):
    """y = x where x > 0, slope_c * x elsewhere: nn.PReLU in values, gradients and state dict.

    torch's own backward on the CPU is a scalar loop, which takes a seventh of SphereFace-20's bf16 step; here
    it is a handful of vectorised passes (tests/benchmarks/bench_training_step.py prints both).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, init=0.25)  # Caffe's initial slope

    def forward(self, input: Tensor) -> Tensor:
        # The compiler, and the ONNX exporter with it, knows torch's PReLU and generates its loops itself.
        if input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        return _VectorisedPReLU.apply(input, self.weight.to(input.dtype))


class _VectorisedPReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, slope: Tensor) -> Tensor:  # x (B, C, H, W), slope (C,)
        ctx.save_for_backward(x, slope)
        return torch.prelu(x, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        # torch.where and the comparison are the slow part on the CPU; threshold_backward is the fast mask.
        positive = torch.ops.aten.threshold_backward(grad, x, 0)  # grad where x > 0, else 0
        negative = grad - positive
        grad_x = torch.addcmul(positive, negative, slope.view(1, -1, 1, 1))
        grad_slope = negative.mul_(x).sum((0, 2, 3))
        return grad_x, grad_slope
