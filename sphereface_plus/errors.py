"""What a user can put right, apart from what is a fault of ours."""

from __future__ import annotations


class UserError(ValueError):
    """Input that cannot be used; the message names it in one sentence and says what to do.

    Commands print it and nothing else. Every other error, OSError excepted, is a bug and keeps its traceback.
    """
