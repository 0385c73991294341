"""TensorBoard's event files, written record by record by who logs: torch's SummaryWriter does it in a thread
of its own, which prints a traceback where the disk is full, and loses what it has not written when killed."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from sphereface_plus.files import naming


class Events:
    """A new event file in a folder; what others there say of first_step and later TensorBoard forgets."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter  # seconds of import

        self.path = folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        with naming(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb")
        self._records = RecordWriter(self._file)
        self._write(step=first_step, file_version="brain.Event:2")
        self._write(step=first_step, session_log={"status": "START"})

    def write(self, step: int, scalars: dict[str, float]) -> None:
        """Out of this process when this returns. Raises WriteError."""
        values = [{"tag": name, "simple_value": value} for name, value in scalars.items()]
        self._write(step=step, summary={"value": values})

    def close(self) -> None:
        with suppress(OSError):  # nothing is left to write but what write has failed with
            self._file.close()

    def _write(self, **content: object) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        with naming(self.path):
            self._records.write(Event(wall_time=time.time(), **content).SerializeToString())
            self._file.flush()
