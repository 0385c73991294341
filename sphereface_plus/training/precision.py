"""What `train.precision: auto` takes, and the warning about a choice that the hardware emulates."""

from __future__ import annotations

from typing import TypeVar

import torch

from sphereface_plus import precision as hardware
from sphereface_plus.config import ConfigError, RunConfig
from sphereface_plus.processes import Processes

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)


def settle(config: AnyConfig, processes: Processes, begun: str | None = None) -> tuple[AnyConfig, str | None]:
    """The config with `auto` replaced by what it takes here, the same in all processes, and what to tell the
    user: what `auto` took, or with which measured factor the precision is emulated here.

    begun: the precision of the run that is resumed, which `auto` keeps.
    Raises ConfigError for fp16 without CUDA.
    """
    asked, device = config.train.precision, processes.device
    if asked == "fp32":
        return config, None
    here = hardware.fastest(device)
    if asked == "auto" and begun is None:
        precision = hardware.that_all_have(here.precision, processes)
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
    factor = hardware.slowdown(device, precision)
    return config, _warning(precision, factor, device, resumed=begun is not None) if factor > 1 else None


def with_precision(config: AnyConfig, precision: str) -> AnyConfig:
    """The config with train.precision in place of `auto`, or of what it has."""
    return config.model_copy(update={"train": config.train.model_copy(update={"precision": precision})})


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
