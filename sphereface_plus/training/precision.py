"""The number type that the network runs in: what `train.precision: auto` takes, and what a bad choice costs.

bf16 halves a step where the hardware multiplies it. Where torch has to emulate it, as on every CPU without
AVX-512-BF16 or AMX and on GPUs before Ampere, it makes a step several times as long instead.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F

from sphereface_plus.config import ConfigError, RunConfig
from sphereface_plus.processes import Processes

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)

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


def settle(config: AnyConfig, processes: Processes, begun: str | None = None) -> tuple[AnyConfig, str | None]:
    """The config with `auto` replaced by what it takes here, the same in all processes, and what to tell the
    user: what `auto` took, or with which measured factor the precision is emulated here.

    begun: the precision of the run that is resumed, which `auto` keeps.
    Raises ConfigError for fp16 without CUDA.
    """
    asked, device = config.train.precision, processes.device
    if asked == "fp32":
        return config, None
    here = fastest(device)
    if asked == "auto" and begun is None:
        precision = _that_all_have(here.precision, processes)
        reason = here.reason if precision == here.precision else "which all processes are fast in"
        sentence = f"precision: {precision}, {reason}"
        if device.type == "cpu" and torch.backends.mps.is_available():
            sentence += "; Apple's GPU (MPS) is not used, on which nothing of this was ever tried"
        return with_precision(config, precision), sentence
    precision = begun if asked == "auto" and begun is not None else asked
    if precision == "fp16" and device.type != "cuda":
        instead = (
            "go on where it began, or start a new run with --out"
            if begun
            else "set train.precision=auto, which takes what is fast here"
        )
        raise ConfigError(
            f"train.precision fp16 needs CUDA, and this is the {device.type.upper()}; {instead}"
        )
    config = with_precision(config, precision)
    if precision in ("fp32", here.precision) or not processes.is_main:
        return config, None
    factor = slowdown(device, precision)
    return config, _warning(precision, factor, device, resumed=begun is not None) if factor > 1 else None


def with_precision(config: AnyConfig, precision: str) -> AnyConfig:
    """The config with train.precision in place of `auto`, or of what it has."""
    return config.model_copy(update={"train": config.train.model_copy(update={"precision": precision})})


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


def _that_all_have(mine: str, processes: Processes) -> str:
    if processes.any(mine == "fp32"):
        return "fp32"
    different = processes.any(mine == "bf16") and processes.any(mine == "fp16")
    return "fp16" if different else mine


def _warning(precision: str, factor: float, device: torch.device, *, resumed: bool) -> str:
    where = "CPU" if device.type == "cpu" else "GPU"
    instead = (
        "it began on a machine that is faster at it: go on there"
        if resumed
        else "--set train.precision=auto takes what is fast here"
    )
    return (
        f"warning: the run is in {precision}, which this {where} emulates: a convolution takes "
        f"{factor:.1f} times as long as in fp32; {instead}"
    )
