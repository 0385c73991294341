"""A name for each start of a run's processes, so that those that torchrun starts again find each other.

Torchrun's store outlives a restart, and holds the addresses of the processes that were ended before it: torch
2.15 takes these for the new ones' (as in pytorch issue 135712). Names of their own keep the starts apart.
Torchrun gives none: each machine counts its own restarts, so that the one whose process died says 1 and the
others 0. Hence the first process makes the name, and tells it to those that are there.
"""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

from torch.distributed import DistStoreError, Store  # pyright: ignore[reportPrivateImportUsage]

SECONDS_BETWEEN_LOOKS = 0.01


def common_start(store: Store, rank: int, world_size: int, within: timedelta) -> str:
    """The name of this start, the same in each of its processes and in no other start. All call it.

    Raises DistStoreError where they are not all there within that time.
    """
    own = uuid4().hex
    store.set(f"process {rank}", own)
    if rank > 0:
        store.wait([f"start of {own}"], within)  # who was ended before has another name
        name = store.get(f"start of {own}").decode()
        store.set(f"{own} in {name}", "")
        return name
    missing, until = set(range(1, world_size)), time.monotonic() + within.total_seconds()
    while missing:
        if time.monotonic() > until:
            raise DistStoreError(
                f"no sign of {', '.join(map(str, sorted(missing)))} of {world_size} processes"
            )
        for other in sorted(missing):
            if not store.check([f"process {other}"]):
                continue
            theirs = store.get(f"process {other}").decode()  # of an ended one, until the new one is there
            store.set(f"start of {theirs}", own)
            if store.check([f"{theirs} in {own}"]):
                missing.remove(other)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return own
