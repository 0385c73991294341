"""The parts of a face-recognition run, from its config."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sphereface_plus.config import FaceConfig
from sphereface_plus.config.losses import WITHOUT_PROTOTYPES
from sphereface_plus.data.batches import BatchSampler, IdentityBalanced
from sphereface_plus.data.crops import CropsError, check_crops, normalise
from sphereface_plus.data.faces import CropDataset, FaceCrops
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.losses import build_loss
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.energies import NoEnergy, PrototypeEnergy
from sphereface_plus.training.finetuning.mean_embeddings import start_prototypes
from sphereface_plus.training.finetuning.start import load_start, schedule_notes
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.training.reading import read_batches
from sphereface_plus.training.state import Run
from sphereface_plus.training.validation import PairsValidation

NAMED = 5
"""Identities that are left out and named; log and message would drown in more."""


class FaceSet(CropDataset):
    """Crops with their identities; state.TrainingSet says what a run wants of it."""

    def __init__(self, config: FaceConfig, *, pin_memory: bool) -> None:
        data = config.data
        super().__init__(open_crops(config), seed=config.seed, flip=data.flip, shift=data.shift)
        self.path, self.workers, self.pin_memory = data.path, data.workers, pin_memory
        self.classes = self.crops.identities
        # Once each: they look at every file.
        self._fingerprint, self._content = self.crops.fingerprint(), self.crops.content()
        self.trained_on = TrainedOn(tuple(self.classes), np.unique(self.crops.marks()), complete=True)

    def fingerprint(self) -> str:
        return self._fingerprint

    def content(self) -> str:
        return self._content

    def describe(self, index: int) -> tuple[str, int]:
        return str(self.crops.paths[index]), self.crops.labels[index]

    def batch(self, items: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        return self.__getitems__(items)

    def batches(self, sampler: BatchSampler) -> Iterator[tuple[Tensor, Tensor]]:
        return read_batches(self, sampler, workers=self.workers, pin_memory=self.pin_memory)


def open_crops(config: FaceConfig) -> FaceCrops:
    """The training set. Raises CropsError or SpecError if this network cannot be trained with it."""
    data = config.data
    crops = FaceCrops.open(data.path, root=data.root, min_images=data.min_images, exclude=data.exclude)
    check_crops(crops.template, crops.size, config.network.input, origin=data.path)
    if len(crops.identities) < 2:
        advice = "give the folder that holds a folder for each person, or a list file of `path label` lines"
        raise CropsError(
            f"{data.path}: holds one identity only ({crops.identities[0]}); a classifier needs two; "
            + (left_out(crops) or advice)
        )
    return crops


def left_out(crops: FaceCrops) -> str:
    """Which identities of a set are not trained on, and why, in a part of a sentence; empty where all are."""
    if not crops.left_out:
        return ""
    named = [f"{name} ({why})" for name, why in sorted(crops.left_out.items())[:NAMED]]
    more = f" and {len(crops.left_out) - NAMED:,} more" if len(crops.left_out) > NAMED else ""
    people = len(crops.left_out) + len(crops.identities)
    return f"{len(crops.left_out):,} of {people:,} identities left out: {', '.join(named)}{more}"


def build(config: FaceConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None) -> Run:
    """Data, network, loss, learner and validation; fine-tuning's weights where nothing is resumed."""
    data = FaceSet(config, pin_memory=processes.device.type == "cuda")
    order = order_of(config, data, processes.world_size)
    torch.manual_seed(config.seed)
    network = build_network(config.network)
    loss = build_loss(
        config.loss, num_identities=len(data.classes), embedding_size=config.network.embedding_size
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
    train = config.train
    if config.loss.kind in WITHOUT_PROTOTYPES:
        energies = NoEnergy()
    else:
        energies = PrototypeEnergy(loss, config.mhe, log_every=train.log_every)
    learner = ClassifierLearner(
        network,
        loss,
        energies=energies,
        prepare=partial(normalise, spec=config.network.input),
        optimizer=config.optimizer,
        processes=processes,
        measure_every=train.log_every,
        finetune=config.finetune,
        precision=train.precision,
        channels_last=train.channels_last,
        compile=train.compile,
    )
    validation = None
    if config.validation is not None and processes.is_main:
        validation = PairsValidation(config.validation, config.network.input, processes.device)
    every = config.validation.every if config.validation else None
    return Run(config, folder, processes, data, learner, validation, every, start, order, trained_on)


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
