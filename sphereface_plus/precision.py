"""The number type that a network runs in: what `auto` takes on a device, and what a bad choice costs.

bf16 halves a step where the hardware multiplies it. Where torch has to emulate it, as on every CPU without
AVX-512-BF16 or AMX and on GPUs before Ampere, it makes a step several times as long instead.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sphereface_plus.processes import Processes

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# What narrows oneDNN below what the processor has.
NARROWED_BY = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
FIRST_TENSOR_CORES = (7, 0)
"""Compute capability of Volta: before it, fp16 is no faster than fp32."""


@dataclass(frozen=True)
class Choice:
    """What is fast on a device."""

    precision: str
    """fp32, fp16 or bf16."""
    reason: str
    """Half a sentence for the user."""


def fastest(device: torch.device) -> Choice:
    """What a convolutional network trains fastest in on a device, decided by what the hardware has; on a CPU
    of which torch cannot tell, by a measurement of less than a second."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bf16", "which this GPU has")
        if torch.cuda.get_device_capability(device) >= FIRST_TENSOR_CORES:
            return Choice("fp16", "with loss scaling: this GPU has no bf16")
        return Choice("fp32", "as this GPU is fast in nothing shorter")
    native = cpu_has_bf16()
    if native is None:
        factor = slowdown(device, "bf16")
        if factor < 1:
            return Choice("bf16", f"measured to take {factor:.2f} times as long as fp32 on this CPU")
        return Choice("fp32", f"as bf16 was measured to take {factor:.1f} times as long on this CPU")
    if native:
        return Choice("bf16", "for which this CPU has instructions")
    return Choice("fp32", "as this CPU has no instructions for bf16")


def cpu_has_bf16() -> bool | None:
    """Whether the CPU multiplies bf16 and oneDNN makes use of it; None where that cannot be asked."""
    if (
        any(name in os.environ for name in NARROWED_BY)
        or torch.backends.cpu.get_cpu_capability() == "DEFAULT"
    ):
        return None
    # Private names, which another torch may not have; on other processors than x86 they say nothing.
    asked = [
        getattr(torch.cpu, "_is_avx512_bf16_supported", None),
        getattr(torch.cpu, "_is_amx_tile_supported", None),
    ]
    if None in asked or not hasattr(torch.cpu, "_is_avx2_supported") or not torch.cpu._is_avx2_supported():
        return None
    return any(ask() for ask in asked if ask is not None)


def slowdown(device: torch.device, precision: str, repeats: int = 3) -> float:
    """How many times as long as in fp32 a 3 x 3 convolution takes, forward and backward.

    The least of some repetitions taken in turn, so that other work on the machine hardly counts.
    """
    images = torch.ones(8, 64, 28, 24, device=device)
    weight = torch.full((64, 64, 3, 3), 1e-3, device=device, requires_grad=True)
    seconds: dict[str, list[float]] = {"fp32": [], precision: []}
    for repeat in range(repeats + 1):
        for name, times in seconds.items():
            start = time.perf_counter()
            with torch.autocast(device.type, DTYPES[name], enabled=name != "fp32"):
                product = F.conv2d(images, weight, padding=1)
            torch.autograd.grad(product.float().sum(), weight)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if repeat:  # the first one warms up
                times.append(time.perf_counter() - start)
    return min(seconds[precision]) / min(seconds["fp32"])


def that_all_have(mine: str, processes: Processes) -> str:
    """What the processes take together, where the devices of some are fast in other types than `mine`."""
    if processes.any(mine == "fp32"):
        return "fp32"
    different = processes.any(mine == "bf16") and processes.any(mine == "fp16")
    return "fp16" if different else mine
