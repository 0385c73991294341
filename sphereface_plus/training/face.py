"""The parts of a face-recognition run, from its config."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import torch

from sphereface_plus.config import FaceConfig
from sphereface_plus.data.batches import IdentityBalanced
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.sampled_head import sample_size
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.face_loss import energies_of, loss_of
from sphereface_plus.training.finetuning.freezing import freeze
from sphereface_plus.training.finetuning.mean_embeddings import start_prototypes
from sphereface_plus.training.finetuning.start import load_start, schedule_notes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.network import parameters_in_words
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.sets import FaceSet
from sphereface_plus.training.validation import PairsValidation
from sphereface_plus.training.validation import trained_on as people_trained_on


def build(config: FaceConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None) -> Run:
    """Data, network, loss, learner and validation; fine-tuning's weights where nothing is resumed."""
    data = FaceSet(config, pin_memory=processes.device.type == "cuda")
    order = order_of(config, data, processes.world_size)
    torch.manual_seed(config.seed)
    network = build_network(config.network)
    num_identities = len(data.classes)
    is_start = config.init_from is not None and point is None
    loss, rows = loss_of(config, num_identities, processes, whole=is_start)
    start, trained_on = None, data.trained_on
    if config.init_from is not None and is_start:
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
    photos_of_class = torch.bincount(torch.tensor(data.crops.labels), minlength=num_identities)
    if rows is not None:
        loss.hold(rows)  # lets go of the others' prototypes
    energies = energies_of(config, loss, rows, photos_of_class)
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
    if config.head == "auto" and isinstance(loss, PrototypeLoss) and loss.head is StreamedHead:
        notes.append(
            f"{num_identities:,} identities: the streamed head makes their products in chunks; head=dense "
            "keeps them as one tensor"
        )
    if config.sample_rate < 1:
        notes.append(
            f"each step sees {sample_size(config.sample_rate, num_identities, 0):,} of {num_identities:,} "
            "prototypes, more where its batch has more people: its loss and accuracies in the log are among "
            "these, and better than among all"
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
