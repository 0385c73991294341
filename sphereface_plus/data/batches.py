"""The stream of training crops: batch k is a pure function of (seed, k).

The stream is one permutation of the crops after the other, each a function of (seed, epoch). Batches run over
the epochs' borders, so that each is full and each crop comes once an epoch. For losses of pairs it is another
one, whose batches hold several crops of each of their identities. A resumed run starts at its step, without a
replay or a stored random state; two processes together see what one would see.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from sphereface_plus.data import streams
from sphereface_plus.errors import UserError
from sphereface_plus.words import counted


def epoch_order(num_samples: int, seed: int, epoch: int) -> np.ndarray:
    """The order (num_samples,) in which epoch 0, 1, ... visits the crops."""
    return streams.generator(seed, streams.EPOCH_ORDER, epoch).permutation(num_samples)


class Order(Protocol):
    """The stream: which crop stands at a position 0, 1, 2, ... A function of the position alone."""

    def __getitem__(self, position: int, /) -> int: ...


class Epochs:
    """The permutations of `epoch_order`, one after the other."""

    def __init__(self, num_samples: int, seed: int) -> None:
        self.num_samples, self.seed = num_samples, seed
        self.epoch, self.order = -1, np.empty(0, dtype=np.int64)

    def __getitem__(self, position: int) -> int:
        epoch, place = divmod(position, self.num_samples)
        if epoch != self.epoch:  # positions only grow: one permutation is kept at a time
            self.epoch, self.order = epoch, epoch_order(self.num_samples, self.seed, epoch)
        return int(self.order[place])


class BatchesError(UserError):
    """Batches that the set cannot supply."""


class IdentityBalanced:
    """P identities in each batch with K different crops of each, one identity after the other.

    labels: the identity of each crop, 0 .. num_identities - 1. P is batch_size / images_per_identity.
    parts: pieces that a batch is cut into (accumulated parts times processes); each holds whole identities.

    An epoch of identities is a permutation of them, cut into batches; what does not fill a batch waits for
    another epoch. In epoch e an identity shows the e-th K of its crops, which are permuted again when fewer
    than K are left. Raises BatchesError, a sentence, where that cannot be.
    """

    def __init__(
        self, labels: Sequence[int], *, images_per_identity: int, batch_size: int, parts: int, seed: int
    ) -> None:
        k = images_per_identity
        if batch_size % (k * parts):
            raise BatchesError(
                f"a batch of {batch_size} cannot be cut into {parts} of whole identities, {k} crops each; "
                f"make train.batch_size a multiple of {k * parts}"
            )
        by_label = np.argsort(labels, kind="stable")
        self.crops = np.split(by_label, np.cumsum(np.bincount(labels))[:-1])
        """Of each identity, the indices of its crops."""
        self.images_per_identity, self.batch_size, self.seed = k, batch_size, seed
        self.identities_per_batch = batch_size // k
        counts = np.array([len(crops) for crops in self.crops])
        if counts.min() < k:
            raise BatchesError(
                f"data.images_per_identity {k}: {(counts < k).sum()} of {len(counts)} identities have fewer "
                f"crops (the least {counts.min()}); leave them out by data.min_images={k}"
            )
        if len(counts) < self.identities_per_batch:
            raise BatchesError(
                f"a batch of {batch_size} with {k} crops each needs {self.identities_per_batch} identities, "
                f"the set has {len(counts)}; lower train.batch_size or raise data.images_per_identity"
            )

    def __getitem__(self, position: int) -> int:
        batch, place = divmod(position, self.batch_size)
        slot, image = divmod(place, self.images_per_identity)
        epoch, turn = divmod(batch, len(self.crops) // self.identities_per_batch)
        identities = _permutation(len(self.crops), self.seed, streams.IDENTITY_ORDER, epoch)
        identity = int(identities[turn * self.identities_per_batch + slot])
        crops = self.crops[identity]
        again, show = divmod(epoch, len(crops) // self.images_per_identity)
        order = _permutation(len(crops), self.seed, streams.CROPS_OF_IDENTITY, identity, again)
        return int(crops[order[show * self.images_per_identity + image]])


@lru_cache(maxsize=4)  # positions come in order: the same two again and again
def _permutation(count: int, seed: int, stream: int, *place: int) -> np.ndarray:
    return streams.generator(seed, stream, *place).permutation(count)


class BatchSampler(Sampler[list[tuple[int, int]]]):
    """Endless lists of (index, position) for a DataLoader: one process's parts of each batch.

    Batch k is the stretch k * batch_size .. (k + 1) * batch_size - 1 of the stream. It is cut into
    `accumulate` parts and each part among the processes, so one update takes `accumulate` lists. The first
    batch is start_step's. The stream is that of epochs if no other `order` is given.
    Raises BatchesError where the batch cannot be cut evenly.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        seed: int,
        *,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
        order: Order | None = None,
    ) -> None:
        if num_samples < 1:
            raise ValueError(f"batches need at least one crop, got {num_samples}")
        if batch_size % (accumulate * world_size):
            raise BatchesError(
                f"train.batch_size {batch_size} cannot be shared by {counted(world_size, 'process')}"
                + (f" in {accumulate} parts" if accumulate > 1 else "")
                + f": it must be a multiple of {accumulate * world_size}"
            )
        self.seed = seed
        self.order = Epochs(num_samples, seed) if order is None else order
        self.rank, self.world_size = rank, world_size
        self.size = batch_size // (accumulate * world_size)
        """Crops in one list."""
        self.first_part = start_step * accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for part in count(self.first_part):
            start = (part * self.world_size + self.rank) * self.size
            yield [(self.order[position], position) for position in range(start, start + self.size)]


def in_order(num_samples: int, batch_size: int) -> list[list[tuple[int, int]]]:
    """Lists of (index, position) that visit each sample once, for evaluation; the last one is shorter."""
    items = [(index, index) for index in range(num_samples)]
    return [items[start : start + batch_size] for start in range(0, num_samples, batch_size)]


def loader(
    dataset: Dataset,
    sampler: Iterable[list[tuple[int, int]]],
    *,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader:
    """Batches (crops uint8 RGB (B, H, W, 3), labels int64 (B,)), one for each list of the sampler, read by
    `workers` processes or, at 0, here.

    dataset: answers `__getitems__` with a batch, as CropDataset and ImageNet do.
    A DataLoader takes numbers from torch's global random state; the generator given here keeps that as it
    was.
    """
    # More processes than processors, which a slow disk may want: what a run waits for its data is in its log.
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning, "torch")
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=pin_memory,
        generator=torch.Generator(),
        worker_init_fn=_begin_reading,
    )


def _begin_reading(worker: int) -> None:
    """How the life of a reading process begins: it ends with the process that started it, and not before.

    A terminal signals readers, too, but the one that started them ends them. Where that one is killed, torch
    asks for the parent's number, which is a server's where a forkserver starts processes, as on Linux from
    Python 3.14 on: the server and its processes would wait for each other for ever.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    started_by = multiprocessing.parent_process()
    assert started_by is not None  # a DataLoader's readers are processes of multiprocessing

    def watch() -> None:
        started_by.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _unchanged(batch: Any) -> Any:
    return batch  # the data set's __getitems__ has stacked it
