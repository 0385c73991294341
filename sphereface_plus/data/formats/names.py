"""A file of names, one a line: people to leave out of a training."""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.errors import UserError
from sphereface_plus.files import text_of


class NamesError(UserError):
    """A file of names that cannot be used; the message names it."""


def read_names(path: str | Path) -> list[str]:
    """The names in their order, without white space at their ends; at least one. Raises NamesError."""
    if (words := refusal(Path(path), "a file of names is needed, a name a line")) is not None:
        raise NamesError(words)
    lines = text_of(path, NamesError, "a file of names, a text with a name a line").splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise NamesError(f"{path}: holds no name; a name a line is expected")
    return names
