"""How a run's checkpoints get to the disk: while it waits, or in the background while it goes on.

A process that holds rows which no other one has writes them into a file of its own; once all are there, the
main process writes the checkpoint, which names them (held_rows.py). There is one save at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sphereface_plus import checkpoint
from sphereface_plus.errors import UserError
from sphereface_plus.held_rows import (
    HeldRows,
    ShareFile,
    held_in,
    names_in,
    remove_old,
    with_index,
    write_share,
)
from sphereface_plus.processes import Processes, reaching_others


class OtherShareError(UserError):
    """Rows that another process could not write."""


class Saver:
    """Writes checkpoints, one after another. All processes make the same calls.

    background: `save` copies the state and returns; a thread writes it, until the end of the `with` block at
    the latest. What goes wrong there, the next call raises.
    """

    def __init__(self, processes: Processes, *, background: bool) -> None:
        self._processes = processes
        self._thread = ThreadPoolExecutor(1, "checkpoint") if background else None
        self._pending: Future[None] | None = None
        self._group: Any = None  # of the thread: what it passes to others must not mix with the training's

    def save(self, paths: Sequence[Path], payload: dict[str, Any], *, is_last: bool = False) -> None:
        """Writes a checkpoint to each of the paths, after the one before; rows are written once, beside the
        first, whose folder is that of all. is_last: the run's last checkpoint is among them.

        Raises WriteError; OtherShareError where another process could not write, which says so itself.
        """
        self.wait()
        held = dict(held_in(payload))
        if held:
            self._processes.wait_for_all()  # until the main process has removed what the one before replaced
            if self._group is None:
                self._group = dist.new_group(backend="gloo")
        elif not self._processes.is_main:
            return
        if not self._processes.is_main:
            payload = {}
        write = partial(self._write, tuple(paths), is_last=is_last)
        if self._thread is None:
            write(payload, held)
        else:
            self._pending = self._thread.submit(write, *_copied(payload, held))

    def check(self) -> None:
        """Raises what a save in the background has met with, if it has ended."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Until what was given to `save` is on the disk. Raises what it raises."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits, and from then on saves while the run waits. Raises what `save` raises, unless another error
        is why the run ends."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
        if error is None:
            self.wait()
        self._pending = None

    def _write(
        self,
        paths: Sequence[Path],
        payload: dict[str, Any],
        held: Mapping[tuple[Any, ...], HeldRows],
        *,
        is_last: bool,
    ) -> None:
        if held:
            files = self._all_shares(paths[0], partial(write_share, paths[0], held))
            payload = with_index(payload, held, files)
        if not self._processes.is_main:
            return
        for name in names_in(payload):
            if not (share := paths[0].with_name(name)).exists():
                raise OtherShareError(
                    f"{share}: is not seen here, though another process has written it; the processes of a "
                    "run need one folder, on a disk that all their machines share: see --out"
                )
        for path in paths:
            checkpoint.save(path, payload)
        remove_old(paths[0].parent, names_in(payload), of=paths, orphans=is_last)

    def _all_shares(self, path: Path, write: Callable[[int, int], ShareFile]) -> list[ShareFile]:
        """Those of all processes, once they are on the disk."""
        rank, world_size = self._processes.rank, self._processes.world_size
        problem, said = None, b""
        try:
            said = write(rank, world_size).model_dump_json().encode()
        except Exception as error:  # the others wait
            problem = error
        mine = torch.frombuffer(bytearray(said.ljust(ROOM)), dtype=torch.uint8)
        every = torch.empty(world_size * ROOM, dtype=torch.uint8)
        try:
            with reaching_others():
                dist.all_gather_into_tensor(every, mine, group=self._group)
        finally:
            if problem is not None:
                raise problem
        texts = [bytes(one.numpy()).strip() for one in every.chunk(world_size)]
        for other, text in enumerate(texts):
            if not text:
                raise OtherShareError(
                    f"{path}: is not saved, as share {other + 1} of {world_size} could not be written, whose "
                    "process says why; what was saved before is still there"
                )
        return [ShareFile.model_validate_json(text) for text in texts]


ROOM = 1024
"""Bytes for what a process says about its file."""


def _copied(payload: dict[str, Any], held: dict[tuple[Any, ...], HeldRows]) -> tuple[dict[str, Any], Any]:
    """Both, in memory that no update changes: what shares memory among them does so still, and what is on a
    GPU is copied to the machine's memory."""
    memo = {id(tensor): tensor.cpu() for tensor in _tensors([payload, [one.rows for one in held.values()]])}
    return copy.deepcopy((payload, held), memo)


def _tensors(value: Any) -> list[Tensor]:
    """Those on a GPU."""
    if isinstance(value, Tensor):
        return [] if value.device.type == "cpu" else [value]
    if isinstance(value, HeldRows):
        return _tensors(value.rows)
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for part in value for tensor in _tensors(part)] if isinstance(value, list | tuple) else []
