"""The stream of training crops: batch k is a pure function of (seed, k).

The stream is one permutation of the crops after the other, each a function of (seed, epoch); batches run over the
epochs' borders, so every batch is full and every crop comes once an epoch. A resumed run starts at its step and
needs neither a replay nor a stored random state; two processes see the two halves of what one would see.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from sphereface_plus.data.faces import CropDataset


def epoch_order(num_samples: int, seed: int, epoch: int) -> np.ndarray:
    """The order (num_samples,) in which epoch 0, 1, ... visits the crops."""
    return np.random.default_rng((seed, 0, epoch)).permutation(
        num_samples
    )  # 0: apart from augmentation (faces.py)


class BatchSampler(Sampler[list[tuple[int, int]]]):
    """Endless lists of (index, position) for a DataLoader: this process's share of each batch, in `accumulate` parts.

    Batch k holds the positions k * batch_size ... of the stream. It is cut into `accumulate` parts, and each part
    among the processes; one update takes `accumulate` lists. Raises ValueError where the cut is not even.
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
            raise ValueError(f"there must be at least one crop, got {num_samples}")
        if batch_size % (accumulate * world_size):
            raise ValueError(
                f"a batch of {batch_size} cannot be cut evenly into {accumulate} parts for {world_size} processes"
            )
        self.num_samples, self.batch_size, self.seed, self.start_step = (
            num_samples,
            batch_size,
            seed,
            start_step,
        )
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.part_size = batch_size // (accumulate * world_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for part in count(self.start_step * self.accumulate):
            first = (part * self.world_size + self.rank) * self.part_size
            items = []
            for position in range(first, first + self.part_size):
                if position // self.num_samples != epoch:  # positions only grow: one order is kept at a time
                    epoch = position // self.num_samples
                    order = epoch_order(self.num_samples, self.seed, epoch)
                items.append((int(order[position % self.num_samples]), position))
            yield items


def loader(
    dataset: CropDataset, sampler: BatchSampler, *, workers: int = 0, pin_memory: bool = False
) -> DataLoader:
    """Batches (crops uint8 RGB (B, H, W, 3), labels (B,)), read here (workers 0) or by that many processes.

    The generator of its own keeps torch's global random state as it was: a DataLoader draws from it otherwise.
    """
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        generator=torch.Generator(),
    )


def _as_it_is(batch: Any) -> Any:
    return batch  # CropDataset.__getitems__ has stacked it
