"""A file of names, one a line: people to leave out of a training."""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.data.formats.kinds import refusal
from sphereface_plus.errors import UserError
from sphereface_plus.files import read_text


class NamesError(UserError):
    """A file of names that cannot be used; the message names it."""


def read_names(path: str | Path) -> list[str]:
    """The names in their order, without white space at their ends; at least one. Raises NamesError."""
    if (words := refusal(Path(path), "a file of names is needed, a name a line")) is not None:
        raise NamesError(words)
    try:
        names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except OSError as error:
        raise NamesError(f"{path}: the names cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise NamesError(f"{path}: is not a file of names, it is not text") from None
    if not names:
        raise NamesError(f"{path}: holds no name; a name a line is expected")
    return names
