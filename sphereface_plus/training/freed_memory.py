"""Freed memory that stays with the process, so that a training step on a CPU finds its pages made.

glibc gives blocks of more than 32 MiB back to the system when they are freed, and so the free end of its
heap. A step's activations and gradients are freed, and wanted again in the next one: the system then makes
each page of 4 KiB anew, full of zeros. SphereFace-4 with 32 crops in float32 has 20,000 to 40,000 such
pages a step, which take a tenth of its time (docs/results/README.md).
"""

from __future__ import annotations

import ctypes
import os
import platform

# mallopt(3): what it calls M_TRIM_THRESHOLD and M_MMAP_MAX.
TRIM_THRESHOLD, MMAP_MAX = -1, -4
OF_THE_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Has glibc keep all that this process frees from now on, for itself. Returns whether it does.

    The process then shrinks no more before it ends. Nothing is changed, and False returned, where the C
    library is not glibc, or where the user has set glibc's own settings (OF_THE_USER).
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in OF_THE_USER):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Nothing in a mapping of its own, and never a smaller heap.
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, -1))
