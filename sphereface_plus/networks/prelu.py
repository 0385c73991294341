"""PReLU with one slope per channel, with a backward that is fast on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphereface_plus.networks.tracing import is_written_down


class ChannelPReLU(nn.PReLU):
    """y = x where x > 0, slope_c * x elsewhere: nn.PReLU in values, gradients and state dict.

    torch's own backward on the CPU is a scalar loop, which takes a seventh of SphereFace-20's bf16 step; here
    it is a handful of vectorised passes (tests/benchmarks/bench_training_step.py prints both). A tracer that
    writes down torch's operators, torch.fx or torch.jit.trace, sees torch's PReLU.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, init=0.25)  # Caffe's initial slope

    def forward(self, input: Tensor) -> Tensor:
        # The compiler, and the ONNX exporter with it, knows torch's PReLU and generates its loops itself.
        if is_written_down(input) or torch.compiler.is_compiling():
            return super().forward(input)
        if input.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(input)
        return _VectorisedPReLU.apply(input, self.weight.to(input.dtype))


class _VectorisedPReLU(torch.autograd.Function):
    generate_vmap_rule = True  # torch.func's vmap, with `setup_context` and `jvp`: per-sample gradients

    @staticmethod
    def forward(x: Tensor, slope: Tensor) -> Tensor:  # x (B, C, H, W), slope (C,)
        return torch.prelu(x, slope)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        # torch.where and the comparison are the slow part on the CPU; threshold_backward is the fast mask.
        positive = torch.ops.aten.threshold_backward(grad, x, 0)  # grad where x > 0, else 0
        negative = grad - positive
        grad_x = torch.addcmul(positive, negative, slope.view(1, -1, 1, 1))
        # A gradient that is differentiated again needs `negative` as it was.
        product = negative * x if torch.is_grad_enabled() else negative.mul_(x)
        return grad_x, product.sum((0, 2, 3))

    @staticmethod
    def jvp(ctx, x_tangent: Tensor, slope_tangent: Tensor) -> Tensor:
        x, slope = ctx.saved_tensors
        positive = torch.ops.aten.threshold_backward(x_tangent, x, 0)
        along_x = torch.addcmul(positive, x_tangent - positive, slope.view(1, -1, 1, 1))
        return along_x + (x - x.relu()) * slope_tangent.view(1, -1, 1, 1)
