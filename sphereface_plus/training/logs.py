"""The log of a run: named numbers by step, as JSON lines for programs and as TensorBoard events for eyes."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from sphereface_plus.files import naming, write_text
from sphereface_plus.training.events import Events


class RunLog:
    """Writes log.jsonl and TensorBoard events; on resume both go on as if the run had never stopped.

    first_step: lines of this step and later ones, which a stopped run may have written after its last
    checkpoint, are taken out: the run makes them again.
    """

    def __init__(self, path: Path, tensorboard: Path, *, first_step: int = 0) -> None:
        _cut(path, first_step)
        self._path = path
        with naming(path):
            self._file = path.open("a", encoding="utf-8")
        self._events = Events(tensorboard, first_step)

    def write(self, step: int, scalars: dict[str, float]) -> None:
        """One line, out of this process when this returns: a kill loses nothing. Raises WriteError."""
        with naming(self._path):
            self._file.write(json.dumps({"step": step, **scalars}) + "\n")
            self._file.flush()
        self._events.write(step, scalars)

    def close(self) -> None:
        with suppress(OSError):  # nothing is left to write but what write has failed with
            self._file.close()
        self._events.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log; a last line that was cut short by a kill is left out."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            lines.append(json.loads(line))
    return lines


def _cut(path: Path, first_step: int) -> None:
    if not path.exists():
        return
    kept = [line for line in read_log(path) if line["step"] < first_step]
    write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
