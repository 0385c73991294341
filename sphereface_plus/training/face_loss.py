"""A face recipe's loss, by the head that its number of identities and of processes wants, and its energy."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from sphereface_plus.config import FaceConfig
from sphereface_plus.data import streams
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.head import MakeHead
from sphereface_plus.losses.loss import Loss, PrototypeLoss
from sphereface_plus.losses.rows import AllRows
from sphereface_plus.losses.sampled_head import Sampling, sample_size
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.losses.which_head import head_for
from sphereface_plus.processes import Processes
from sphereface_plus.training.energies import Energies, NoEnergy, PrototypeEnergy
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy


def loss_of(
    config: FaceConfig, num_identities: int, processes: Processes, *, whole: bool = False
) -> tuple[Loss, SharedRows | None]:
    """With its first prototypes; and, where processes share them, which rows it holds of them.

    whole: with all rows for now, which it is to `hold` once they are those that it starts with.
    Raises SharesError where there are more processes than identities.
    """
    rows = SharedRows(num_identities, processes) if config.head == "sharded" else None
    head = _head(config, num_identities, processes, rows)
    if config.sample_rate < 1:
        head = _sampling(config, num_identities, head, rows)
    loss = build_loss(
        config.loss,
        num_identities=num_identities,
        embedding_size=config.network.embedding_size,
        head=head,
        rows=None if whole else rows,
    )
    return loss, rows


def energies_of(config: FaceConfig, loss: Loss, rows: SharedRows | None, photos_of_class: Tensor) -> Energies:
    """rows: what the loss holds, where processes share the prototypes. photos_of_class: (C,)."""
    if not isinstance(loss, PrototypeLoss):
        return NoEnergy()
    if rows is not None and rows.apart:
        return SharedPrototypeEnergy(loss, rows, config.mhe, photos_of_class=photos_of_class)
    return PrototypeEnergy(
        loss,
        config.mhe,
        log_every=config.train.log_every,
        photos_of_class=photos_of_class,
        seed=config.seed,
    )


def _head(config: FaceConfig, num_identities: int, processes: Processes, rows: SharedRows | None) -> MakeHead:
    if config.head == "sharded":
        assert rows is not None
        return partial(ShardedHead, rows=rows)
    return head_for(
        config.head,
        num_identities=sample_size(config.sample_rate, num_identities, config.train.batch_size),
        batch_size=config.train.batch_size // (processes.world_size * config.train.accumulate),
        device=processes.device,
    )


def _sampling(config: FaceConfig, num_identities: int, head: MakeHead, rows: SharedRows | None) -> Sampling:
    """head: of any classes, where processes do not share them."""
    rng = partial(streams.generator, config.seed, streams.SAMPLED_CLASSES)

    def head_among(classes: Tensor) -> MakeHead:
        return head if rows is None else partial(ShardedHead, rows=rows.among(classes))

    def draw(step: int, many: int, count: int) -> Tensor:
        return torch.from_numpy(rng(step).choice(many, count, replace=False, shuffle=False))

    held = AllRows() if rows is None else rows
    return Sampling(head_among, num_identities, config.sample_rate, draw, held)
