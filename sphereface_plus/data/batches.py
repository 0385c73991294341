"""The stream of training crops: batch k is a pure function of (seed, k).

The stream is one permutation of the crops after the other, each a function of (seed, epoch). Batches run over
the epochs' borders, so that each is full and each crop comes once an epoch. A resumed run starts at its step,
without a replay or a stored random state; two processes together see what one would see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler


def epoch_order(num_samples: int, seed: int, epoch: int) -> np.ndarray:
    """The order (num_samples,) in which epoch 0, 1, ... visits the crops."""
    random = np.random.default_rng((seed, 0, epoch))  # 0: not the numbers of the augmentation (faces.py)
    return random.permutation(num_samples)


class BatchSampler(Sampler[list[tuple[int, int]]]):
    """Endless lists of (index, position) for a DataLoader: one process's parts of each batch.

    Batch k is the stretch k * batch_size .. (k + 1) * batch_size - 1 of the stream. It is cut into
    `accumulate` parts and each part among the processes, so one update takes `accumulate` lists. The first
    batch is start_step's.
    Raises ValueError where the batch cannot be cut evenly.
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
    ) -> None:
        if num_samples < 1:
            raise ValueError(f"batches need at least one crop, got {num_samples}")
        if batch_size % (accumulate * world_size):
            raise ValueError(
                f"a batch of {batch_size} cannot be cut evenly: {accumulate} parts, {world_size} processes"
            )
        self.num_samples, self.seed = num_samples, seed
        self.rank, self.world_size = rank, world_size
        self.size = batch_size // (accumulate * world_size)
        """Crops in one list."""
        self.first_part = start_step * accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for part in count(self.first_part):
            start = (part * self.world_size + self.rank) * self.size
            items = []
            for position in range(start, start + self.size):
                if position // self.num_samples != epoch:  # positions only grow: one order is kept at a time
                    epoch = position // self.num_samples
                    order = epoch_order(self.num_samples, self.seed, epoch)
                items.append((int(order[position % self.num_samples]), position))
            yield items


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
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=pin_memory,
        generator=torch.Generator(),
    )


def _unchanged(batch: Any) -> Any:
    return batch  # the data set's __getitems__ has stacked it
