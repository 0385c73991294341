"""A training run in three storeys: `train` sets it up, `build` makes its parts, `fit` runs the loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from signal import SIGTERM
from typing import Any

from sphereface_plus.config import RunConfig
from sphereface_plus.files import write_text
from sphereface_plus.processes import Processes, naming_lost_others, start
from sphereface_plus.training import loop, room, tasks
from sphereface_plus.training.beforehand import check_files
from sphereface_plus.training.failures import BrokenModelError, NonFiniteError, explained
from sphereface_plus.training.folder import DivergedError, RunError, RunFolder, place_of
from sphereface_plus.training.freed_memory import keep_freed_memory
from sphereface_plus.training.opening import opening
from sphereface_plus.training.pace import Pace
from sphereface_plus.training.precision import settle
from sphereface_plus.training.reporting import Reporter, Silent
from sphereface_plus.training.resume import ResumePoint, find
from sphereface_plus.training.run_parts import Run
from sphereface_plus.training.signals import StopRequest, stop_on_signals
from sphereface_plus.training.state import diverged, keep_failure, payload_of, restore, sampler, save
from sphereface_plus.words import counted


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


def train(config: RunConfig, out: str | Path | None = None, *, resume: bool = False) -> Outcome:
    """Trains what the config describes, in the folder `out` (runs/<name> if not given).

    resume: go on where the run in that folder stands, or begin if there is none; the numbers are those of a
    run that was never stopped. On a CPU the process keeps, from then on, the memory that it frees.
    Raises RunError and the errors of the parts, all UserErrors with a sentence for the user.
    """
    folder = RunFolder(place_of(config, out))
    processes = start(config.train.device)
    if processes.device.type == "cpu":
        keep_freed_memory()
    held = folder.held() if processes.is_main else nullcontext()
    with held, explained(config), naming_lost_others():
        return _train(config, folder, processes, resume)


def _train(config: RunConfig, folder: RunFolder, processes: Processes, resume: bool) -> Outcome:
    goes_on = resume and folder.config.is_file()
    config, of_precision = settle(config, processes, folder.precision() if goes_on else None)
    gentler = False
    if processes.is_main:  # the others would find what the main process has just made
        if resume and folder.holds_run():
            task = tasks.of(config)
            gentler = folder.refuse_another(config, task.may_change, task.after_divergence)
        else:
            folder.refuse_existing()
    point = find(folder, processes) if resume else ResumePoint(folder)
    last_step = config.train.steps
    if point.step > last_step:
        raise RunError(f"{folder.path}: the run is at step {point.step}, past train.steps {last_step}")
    if point.step == last_step and point.is_last:
        return Outcome(folder.path, last_step, last_step, was_finished=True)
    run = build(config, folder, processes, point.payload)
    too_much = room.check(run)
    processes.wait_for_all()
    if processes.is_main:
        if point.file is not None or point.damaged:
            print(point, file=sys.stderr)
        point.tidy()
    point.payload = None  # twice the network's size in memory, which the run no longer needs
    if processes.is_main:
        for line in opening(run):
            print(line, file=sys.stderr)
        for line in (of_precision, too_much):
            if line is not None:
                print(line, file=sys.stderr)
        folder.write_config(config)
        if gentler:  # after the config: a kill between the two must not make the next call another run
            folder.put_failure_aside(run.first_step)
        if run.start is not None:
            write_text(folder.load_report, json.dumps(run.start, indent=2) + "\n")
    return fit(run)


def build(config: RunConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None) -> Run:
    """The parts of a run, where they stand at the resume point if there is one."""
    check_files(config)
    task = tasks.of(config)
    run = task.build(config, folder, processes, point)
    sampler(run, 0)  # a batch that the processes cannot share is refused before anything is written
    if processes.is_main and config.train.batch_size > len(run.data):
        print(
            f"note: train.batch_size {config.train.batch_size} is more than the "
            f"{counted(len(run.data), task.thing)} of "
            f"{run.data.path}: a batch holds some of them more than once",
            file=sys.stderr,
        )
    if point is not None:
        restore(run, point)
    return run


def fit(run: Run) -> Outcome:
    """The loop, from where the run stands to its last step, a signal or a failure."""
    settings = run.config.train
    try:
        with (
            stop_on_signals() as stop,
            naming_lost_others(),  # inside: torchrun's SIGTERM, which comes meanwhile, waits for the sentence
            run.saver,
            closing(batches_in_parts(run)) as batches,
            closing(Reporter(run) if run.processes.is_main else Silent()) as reporter,
        ):
            reached = loop.train(
                run.learner,
                batches,
                first_step=run.first_step,
                last_step=settings.steps,
                log=reporter.log,
                log_every=settings.log_every,
                validate=partial(validate, run),
                validate_every=run.validate_every,
                save=partial(save, run),
                save_every=settings.checkpoint_every,
                should_stop=partial(should_stop, run, stop),
                pace=Pace(settings.batch_size, reporter.step),
            )
            # Under torchrun the signal may have reached another process only.
            stopped_by = (stop.signal or SIGTERM) if reached < settings.steps else None
            return Outcome(run.folder.path, reached, settings.steps, stopped_by)
    except NonFiniteError as error:
        raise DivergedError(f"{error}; {keep_failure(run, error.step)}") from None


def should_stop(run: Run, stop: StopRequest) -> bool:
    """Whether one of the processes was asked to. Raises what a save in the background has met with."""
    run.saver.check()
    return run.processes.any(bool(stop))


def batches_in_parts(run: Run) -> Generator[list[Any], None, None]:
    """Batches from the run's first step on, each in its parts."""
    parts = run.data.batches(sampler(run, run.first_step))
    while batch := list(islice(parts, run.config.train.accumulate)):
        yield batch


def validate(run: Run, step: int) -> dict[str, float]:
    """What the main process measures; keeps the weights if the task's result is the best so far."""
    scalars, broken = {}, False
    if run.validation is not None:  # the main process, which the others wait for below
        try:
            scalars = run.validation()
        except BrokenModelError:
            if step == run.first_step:  # what the run starts from is broken
                raise
            broken = True
    if run.processes.any(broken):
        raise diverged(run, step)
    result = tasks.of(run.config).result(run.config)
    is_best = False
    if result is not None and result.name in scalars and result.is_better(scalars[result.name], run.best):
        run.best = {"step": step, result.key: scalars[result.name]}
        is_best = True
    if run.processes.any(is_best):
        run.saver.save([run.folder.best], payload_of(run, step))
    return scalars
