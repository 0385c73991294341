"""What a user can put right, apart from what is a fault of ours."""

from __future__ import annotations

import re

# In the words of torch (CPU, CUDA and its libraries), the system, OpenCV, onnxruntime and C++.
_MEMORY_SHORT = re.compile(
    "can't allocate memory|not enough memory|out of memory|ALLOC_FAILED|Cannot allocate memory|"
    "Insufficient memory|Failed to allocate memory|bad_alloc"
)


class UserError(ValueError):
    """Input that cannot be used; the message names it in one sentence and says what to do.

    Commands print it and nothing else. Every other error, OSError excepted, is a bug and keeps its traceback.
    """

    exit_code = 1
    """What a command that prints it ends with."""


def memory_is_short(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of the machine or of a GPU."""
    return isinstance(error, MemoryError) or bool(_MEMORY_SHORT.search(str(error)))
