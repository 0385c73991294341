"""A training run in three storeys: `train` sets it up, `build` makes its parts, `fit` runs the loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch
from torch.utils.data import DataLoader

from sphereface_plus import checkpoint
from sphereface_plus.config import Config
from sphereface_plus.data.batches import loader
from sphereface_plus.data.crops import CropsError, SpecError, check_crops, normalise
from sphereface_plus.data.faces import CropDataset, FaceCrops
from sphereface_plus.losses import build_loss
from sphereface_plus.networks import build_network
from sphereface_plus.training import distributed, loop
from sphereface_plus.training.classifier import Batch, ClassifierLearner
from sphereface_plus.training.distributed import Processes
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.finetune import load_start
from sphereface_plus.training.folder import RunError, RunFolder, write_text
from sphereface_plus.training.pace import Pace
from sphereface_plus.training.reporting import Reporter, Silent
from sphereface_plus.training.signals import left_to_main, stop_on_signals
from sphereface_plus.training.state import Run, keep_failure, restore, sampler, save, state
from sphereface_plus.training.validation import PairsValidation


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended."""

    folder: Path
    step: int
    last_step: int
    signal: int | None = None
    """What stopped it, or None."""
    was_finished: bool = False
    """Whether there was nothing left to do."""


def train(config: Config, out: str | Path | None = None, *, resume: bool = False) -> Outcome:
    """Trains what the config describes, in the folder `out` (runs/<name> if not given).

    resume: go on where the run in that folder stands, or begin if there is none; the numbers are those of a
    run that was never stopped.
    Raises RunError and the errors of the parts, all ValueErrors with a sentence for the user.
    """
    folder = RunFolder(out if out is not None else Path("runs") / config.name)
    processes = distributed.start(config.train.device)
    if processes.is_main:  # the others would find what the main process has just made
        if resume and folder.holds_run():
            folder.refuse_another(config)
        else:
            folder.refuse_existing()
    point = folder.resume_point() if resume else None
    last_step = config.train.steps
    if point is not None and point["step"] > last_step:
        raise RunError(f"{folder.path}: the run is at step {point['step']}, past train.steps {last_step}")
    if point is not None and point["step"] == last_step:
        return Outcome(folder.path, last_step, last_step, was_finished=True)
    run = build(config, folder, processes, point)
    processes.wait_for_all()
    if processes.is_main:
        folder.write_config(config)
        if run.start is not None:
            write_text(folder.load_report, json.dumps(run.start, indent=2) + "\n")
    return fit(run)


def build(config: Config, folder: RunFolder, processes: Processes, point: dict[str, Any] | None) -> Run:
    """Data, network, loss, learner and validation, with the weights of the resume point or fine-tuning."""
    data = config.data
    crops = open_crops(config)
    dataset = CropDataset(crops, seed=config.seed, flip=data.flip, shift=data.shift)
    torch.manual_seed(config.seed)
    network = build_network(config.network)
    loss = build_loss(
        config.loss, num_identities=len(crops.identities), embedding_size=config.network.embedding_size
    )
    start = None
    if config.init_from is not None and point is None:
        report = load_start(
            config.init_from,
            network,
            loss,
            spec=config.network.input,
            identities=crops.identities,
            reset_head=config.reset_head,
        )
        start = report.to_dict()
        if processes.is_main:
            print(report, file=sys.stderr)
    learner = ClassifierLearner(
        network,
        loss,
        prepare=partial(normalise, spec=config.network.input),
        optimizer=config.optimizer,
        mhe=config.mhe,
        processes=processes,
        measure_every=config.train.log_every,
        precision=config.train.precision,
        channels_last=config.train.channels_last,
        compile=config.train.compile,
    )
    validation = None
    if config.validation is not None and processes.is_main:
        validation = PairsValidation(config.validation, config.network.input, processes.device)
    run = Run(config, folder, processes, dataset, learner, validation, start)
    sampler(run, 0)  # a batch that the processes cannot share is refused before anything is written
    if point is not None:
        restore(run, point)
    return run


def open_crops(config: Config) -> FaceCrops:
    """The training set. Raises CropsError or SpecError if this network cannot be trained with it."""
    data = config.data
    crops = FaceCrops.open(data.path, root=data.root, min_images=data.min_images, exclude=data.exclude)
    check_crops(crops.template, crops.size, config.network.input)
    if len(crops.identities) < 2:
        raise CropsError(
            f"{data.path}: holds one identity only ({crops.identities[0]}); a classifier needs two"
        )
    return crops


def fit(run: Run) -> Outcome:
    """The loop, from where the run stands to its last step, a signal or a failure."""
    settings, validation = run.config.train, run.config.validation
    with (
        stop_on_signals() as stop,
        closing(read_batches(run)) as batches,
        closing(Reporter(run) if run.processes.is_main else Silent()) as reporter,
    ):
        try:
            reached = loop.train(
                run.learner,
                batches,
                first_step=run.first_step,
                last_step=settings.steps,
                log=reporter.log,
                log_every=settings.log_every,
                validate=partial(validate, run),
                validate_every=validation.every if validation else None,
                save=partial(save, run),
                save_every=settings.checkpoint_every,
                should_stop=lambda: run.processes.any(bool(stop)),
                pace=Pace(settings.batch_size, reporter.step),
            )
        except NonFiniteError as error:
            raise RunError(f"{error}; {keep_failure(run, error.step)}") from None
        except RuntimeError as error:
            if "DataLoader worker" not in str(
                error
            ):  # torch raises it wherever the signal of the death comes
                raise
            raise RunError(
                "a process that reads crops has died, perhaps for want of memory; go on with --resume, and "
                "with fewer of them: --set data.workers=..., 0 reads in the training process"
            ) from None
        if reached == settings.steps:
            refuse_broken(run)
        # Under torchrun the signal may have reached another process only.
        stopped_by = (stop.signal or SIGTERM) if reached < settings.steps else None
        return Outcome(run.folder.path, reached, settings.steps, stopped_by)


def refuse_broken(run: Run) -> None:
    """Raises RunError where the last update broke the network: no step comes after it that would notice."""
    last = next(iter(sampler(run, run.config.train.steps - 1)))
    crops, _ = run.dataset.__getitems__(last)
    embeddings = run.learner.embed(run.learner.prepare(crops.to(run.processes.device)))
    if not bool(torch.isfinite(embeddings).all()):
        raise RunError(
            f"{run.folder.path}: the last update made the embeddings infinite, the run has diverged; try a "
            "lower optimizer.learning_rate or optimizer.clip_norm, in a new folder"
        )


def read_batches(run: Run) -> Generator[Batch, None, None]:
    """Batches from the run's first step on, each in its parts.

    Raises CropsError or SpecError for a bad crop, with its sentence alone also from a reading process.
    """
    parts = loader(
        run.dataset,
        sampler(run, run.first_step),
        workers=run.config.data.workers,
        pin_memory=run.processes.device.type == "cuda",
    )
    parts.worker_init_fn = left_to_main
    return _whole(parts, run.config.train.accumulate)


def _whole(parts: DataLoader, accumulate: int) -> Generator[Batch, None, None]:
    reading = iter(parts)
    try:
        while batch := list(islice(reading, accumulate)):
            yield batch
    except (CropsError, SpecError) as error:
        # A DataLoader puts the traceback of the reading process before the sentence.
        sentence = str(error).strip().rpartition(f"{type(error).__name__}: ")[2]
        raise type(error)(sentence) from None
    finally:
        del reading  # ends the reading processes now, not at exit


def validate(run: Run, step: int) -> dict[str, float]:
    """Verification accuracy, measured by the main process; keeps the weights if they are the best so far."""
    if run.validation is None:  # not the main process, which the others wait for at the next update
        return {}
    scalars = run.validation(run.learner.embed)
    accuracy = scalars["validation/accuracy"]
    if accuracy > run.best.get("accuracy", -1.0):
        run.best = {"step": step, "accuracy": accuracy}
        checkpoint.save(run.folder.best, state(run, step))
    return scalars
