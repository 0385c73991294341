"""What a network's forward has to know of tracers: torch.fx, torch.jit.trace, and tensors without numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def is_written_down(x: Tensor) -> bool:
    """Whether torch.fx or torch.jit.trace is writing the forward down: x's shape is then no plain number.

    torch.compile and torch.export are not tracers of this kind: `torch.compiler.is_compiling` tells them.
    """
    return _is_proxy(x) or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def outside_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Autocast switched off for x's device.

    Nothing for the meta device, which knows no autocast, and for proxies: a graph of torch.fx follows the
    autocast that it is run under.
    """
    if _is_proxy(x) or x.device.type == "meta":
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def _is_proxy(x: Tensor) -> bool:
    """Whether x is torch.fx's stand-in for a tensor, which has no device to ask for."""
    return not isinstance(x, Tensor)
