"""The parts of a face-recognition run, from its config."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sphereface_plus.config import FaceConfig
from sphereface_plus.data import streams
from sphereface_plus.data.batches import IdentityBalanced
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.head import MakeHead
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.sharded_head import ShardedHead
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.losses.which_head import head_for
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.energies import NoEnergy, PrototypeEnergy
from sphereface_plus.training.finetuning.freezing import freeze
from sphereface_plus.training.finetuning.mean_embeddings import start_prototypes
from sphereface_plus.training.finetuning.start import load_start, schedule_notes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.network import parameters_in_words
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.sets import FaceSet
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy
from sphereface_plus.training.validation import PairsValidation
from sphereface_plus.training.validation import trained_on as people_trained_on


def build(config: FaceConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None) -> Run:
    """Data, network, loss, learner and validation; fine-tuning's weights where nothing is resumed."""
    data = FaceSet(config, pin_memory=processes.device.type == "cuda")
    order = order_of(config, data, processes.world_size)
    torch.manual_seed(config.seed)
    network = build_network(config.network)
    num_identities = len(data.classes)
    rows, head = None, None
    if config.head == "sharded":
        rows = SharedRows(num_identities, processes)
        head = partial(ShardedHead, rows=rows)
    else:
        head = head_for(
            config.head,
            num_identities=round(config.sample_rate * num_identities),
            batch_size=config.train.batch_size // (processes.world_size * config.train.accumulate),
            device=processes.device,
        )
    loss = build_loss(
        config.loss,
        num_identities=num_identities,
        embedding_size=config.network.embedding_size,
        head=head if config.sample_rate == 1 else sampling(config, head, num_identities),
    )
    start, trained_on = None, data.trained_on
    if config.init_from is not None and point is None:
        report = load_start(
            config.init_from,
            network,
            loss,
            config=config.network,
            identities=data.classes,
            reset_head=config.reset_head,
        )
        report.notes[:0] = schedule_notes(config.loss, report.annealing_step)
        if config.finetune.prototypes == "mean_embedding":
            start_prototypes(network.to(processes.device), loss, data.crops, config.network.input)
            report.notes.append(f"prototypes: mean embeddings of {len(data.crops.paths)} crops")
        if processes.is_main:
            print(report, file=sys.stderr)
        start = report.to_dict()
        trained_on = trained_on.with_start(report.trained_on)
    frozen = freeze(network, config.finetune)
    trains = f"{config.network.name}, {parameters_in_words(network, loss, config.loss.kind)}"
    if not isinstance(loss, PrototypeLoss):
        energies = NoEnergy()
    elif rows is not None:
        loss.hold(rows)
        energies = SharedPrototypeEnergy(loss, rows, config.mhe)
    else:
        energies = PrototypeEnergy(
            loss,
            config.mhe,
            log_every=config.train.log_every,
            photos_of_class=torch.bincount(torch.tensor(data.crops.labels), minlength=num_identities),
            seed=config.seed,
        )
    prepare = partial(normalise, spec=config.network.input)
    learner = build_learner(
        network,
        loss,
        energies,
        prepare,
        config,
        processes,
        frozen=frozen,
        head_steps=config.finetune.head_steps,
        layer_decay=config.finetune.layer_decay,
    )
    validation, notes = None, []
    if config.head == "auto" and head is StreamedHead:
        notes.append(
            f"{num_identities:,} identities: the streamed head makes their products in chunks; head=dense "
            "keeps them as one tensor"
        )
    if config.sample_rate < 1:
        notes.append(
            f"each step sees {config.sample_rate:.1%} of {num_identities:,} prototypes: its loss and "
            "accuracies in the log are among these, and better than among all"
        )
    if config.validation is not None and processes.is_main:
        pairs = PairsValidation(config.validation, config.network.input, processes.device)
        validation = partial(pairs, learner.embed)
        notes += people_trained_on(pairs.people, data.classes)
    return Run(
        config,
        folder,
        processes,
        data,
        learner,
        trains=trains,
        validation=validation,
        validate_every=config.validation.every if config.validation else None,
        notes=notes,
        start=start,
        order=order,
        trained_on=trained_on,
    )


def sampling(config: FaceConfig, head: MakeHead, num_identities: int) -> Sampling:
    def numbers(step: int) -> Tensor:
        drawn = streams.generator(config.seed, streams.SAMPLED_CLASSES, step).random(num_identities)
        return torch.from_numpy(drawn)

    return Sampling(head, config.sample_rate, numbers)


def order_of(config: FaceConfig, data: FaceSet, world_size: int) -> IdentityBalanced | None:
    """The stream of balanced batches, if asked for. Raises BatchesError where the set cannot supply them."""
    if config.data.images_per_identity is None:
        return None
    return IdentityBalanced(
        data.crops.labels,
        images_per_identity=config.data.images_per_identity,
        batch_size=config.train.batch_size,
        parts=config.train.accumulate * world_size,
        seed=config.seed,
    )
