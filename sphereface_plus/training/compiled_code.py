"""Where torch.compile keeps its code."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

import torch


def keep_apart() -> None:
    """Gives each kind of CPU a folder of its own, unless TORCHINDUCTOR_CACHE_DIR names one.

    torch 2.15 finds code in its cache whatever instructions it was compiled for: where ATEN_CPU_CAPABILITY
    narrows the CPU, code of the wider one gives wrong numbers (findings/compiled_for_another_cpu.sh).
    """
    # By number: in a container the user may have no name, and getuser then raises.
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = f"sphereface_plus_compiled_{user}_{torch.backends.cpu.get_cpu_capability()}"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir()) / folder))
