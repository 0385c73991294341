"""A run's folder: who may write into it, and its checkpoints.

config.yaml  log.jsonl  tensorboard/  load_report.json  checkpoints/{last,best,step_00000500}.pt  failure/
samples/step_00000500.png  .lock
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import filelock
import yaml

from sphereface_plus.config import RunConfig, load, to_dict
from sphereface_plus.errors import UserError
from sphereface_plus.files import is_unfinished, write_text

LOCK = ".lock"


class RunError(UserError):
    """A run that cannot begin or go on; the message says what to do."""


class DivergedError(RunError):
    """A run whose loss, gradients or weights are no longer numbers."""

    exit_code = 3


class RunFolder:
    """The files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.log = self.path / "log.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.load_report = self.path / "load_report.json"
        self.failure = self.path / "failure"
        self.last = self.path / "checkpoints" / "last.pt"
        self.best = self.path / "checkpoints" / "best.pt"
        self.samples = self.path / "samples"

    def at_step(self, step: int) -> Path:
        return self.path / "checkpoints" / f"step_{step:08d}.pt"

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts no other process can train here; a folder that stayed empty is removed again.

        Raises RunError where another process trains here, or where the folder cannot be made.
        """
        lock = filelock.FileLock(self.path / LOCK, blocking=False)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except filelock.Timeout:
            raise RunError(
                f"{self.path}: another process is training here; wait for it, or name another folder "
                "with --out"
            ) from None
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be made and written to ({error.strerror}); name another folder "
                "with --out"
            ) from None
        try:
            yield
        finally:
            empty = self._is_empty()
            with suppress(OSError):
                for file in self.path.iterdir() if empty else ():
                    file.unlink()  # the lock while it is held: nobody else's is removed
            lock.release()
            with suppress(OSError):  # where another process has begun in it since
                if empty:
                    self.path.rmdir()

    def _is_empty(self) -> bool:
        """Also where a kill left the lock, and the half of a file that was to get its name when whole."""
        if not self.path.is_dir():
            return not self.path.exists()
        return all(file.name == LOCK or is_unfinished(file) for file in self.path.iterdir())

    def refuse_existing(self) -> None:
        """Raises RunError if something is where a new run would write."""
        if not self._is_empty():
            what = "continue it with --resume, or name" if self.config.is_file() else "it is not a run; name"
            raise RunError(f"{self.path} exists: {what} another folder with --out or --set name=...")

    def holds_run(self) -> bool:
        """Whether a run has begun here. Raises RunError if something else is here."""
        if not self.config.is_file():
            self.refuse_existing()
            return False
        return True

    def precision(self) -> str:
        """What the run here began in; `auto` was decided then."""
        return load(self.config).train.precision

    def refuse_another(self, config: RunConfig, may_change: Set[str], after_divergence: Set[str]) -> bool:
        """Raises RunError unless the run here is the one that `config` describes, naming what differs.

        may_change, after_divergence: names of settings (tasks.py). The second may differ too where the run
        has diverged, as they can keep it from doing so again: returns whether they do.
        """
        differing = differences(to_dict(load(self.config)), to_dict(config))
        precision = differing.get("train.precision", (None, None))[1]
        if precision == "auto":  # which keeps what the run began in
            del differing["train.precision"]
        gentler: Set[str] = set()
        if self.failure.is_dir():
            gentler = after_divergence | ({"train.precision"} if precision == "fp32" else set())
        may_change = may_change | gentler
        if refused := {key: values for key, values in differing.items() if key not in may_change}:
            changes = ", ".join(f"{key} (was {before}, now {now})" for key, (before, now) in refused.items())
            raise RunError(
                f"{self.path}: --resume continues the same run, but the recipe differs: {changes}; "
                "start a new run with --out, or undo the change"
            )
        return any(key in gentler for key in differing)

    def put_failure_aside(self, step: int) -> None:
        """Of a run that goes on in another way now: it may diverge again, and must not be changed unasked."""
        if self.failure.is_dir():
            places = (self.path / f"failure_before_{step}_{number}" for number in count(1))
            self.failure.rename(next(place for place in places if not place.exists()))

    def write_config(self, config: RunConfig) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.config, yaml.safe_dump(to_dict(config), sort_keys=False))


def place_of(config: RunConfig, out: str | Path | None) -> Path:
    """The folder of a run: `out`, or runs/<name> if that is not given."""
    return Path(out) if out is not None else Path("runs") / config.name


def differences(before: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings that differ between two configs as plain data: name -> (before, now)."""
    one, other = flatten(before), flatten(now)
    return {
        key: (one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    }


def settings_of(config: RunConfig) -> dict[str, Any]:
    """Every setting by the name that --set uses."""
    return flatten(to_dict(config))


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}: the names that --set uses."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
