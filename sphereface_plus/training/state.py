"""What of a run goes to disk: checkpoints to go on from, and the remains of a failure."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import Any

import torch

from sphereface_plus import weights
from sphereface_plus.config import to_dict
from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.files import write_text
from sphereface_plus.training import tasks
from sphereface_plus.training.folder import (
    DivergedError,
    RunError,
    differences,
)
from sphereface_plus.training.run_parts import Run
from sphereface_plus.words import plural


def sampler(run: Run, step: int) -> BatchSampler:
    """This process's parts of the batches from `step` on."""
    settings = run.config.train
    return BatchSampler(
        len(run.data),
        settings.batch_size,
        run.config.seed,
        start_step=step,
        rank=run.processes.rank,
        world_size=run.processes.world_size,
        accumulate=settings.accumulate,
        order=run.order,
    )


def save(run: Run, step: int) -> None:
    """last.pt, and a checkpoint of its own at every train.checkpoint_every.

    Raises DivergedError where the last update broke a model: what was saved before stays the last one.
    """
    broken = run.processes.is_main and step > 0 and not run.learner.is_healthy(part(run, step - 1))
    if run.processes.any(broken):
        raise diverged(run, step)
    kept = [run.folder.at_step(step)] if step % run.config.train.checkpoint_every == 0 else []
    run.saver.save([*kept, run.folder.last], payload_of(run, step), is_last=True)
    if run.processes.is_main and run.at_checkpoint is not None:
        run.at_checkpoint(step)


def diverged(run: Run, step: int) -> DivergedError:
    """What to tell the user of an update that broke a model; saves the state after it."""
    task = tasks.of(run.config)
    _save_failure(run, step)
    return DivergedError(
        f"{run.folder.path}: step {step - 1}: the update made the {task.output} infinite, the run has "
        f"diverged; the state after it is in {run.folder.failure}, not among the checkpoints. Try "
        f"{' or '.join(task.gentler[:2])}; {_how_to_try(task)}"
    )


def part(run: Run, step: int) -> Any:
    """The first part of batch `step`, as the learner takes it."""
    return run.data.batch(next(iter(sampler(run, step))))


def payload_of(run: Run, step: int) -> dict[str, Any]:
    """A checkpoint's payload: how the weights were made, how to feed them, how to go on.

    Its names are those of the first task, faces, for every task: `identities` are the set's classes, None
    where it has none, and `num_crops` is its length.
    """
    return {**run.learner.state_dict(), **about(run, step)}


def about(run: Run, step: int) -> dict[str, Any]:
    """The part of a payload that is not the learner's, which each process makes for itself."""
    random = {"cpu": torch.get_rng_state()}
    if run.processes.device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state()
    seen = run.trained_on
    return {
        "config": to_dict(run.config),
        "identities": run.data.classes,
        "num_crops": len(run.data),
        "crops_fingerprint": run.data.fingerprint(),
        "crops_content": run.data.content(),
        "processes": run.processes.describe(),
        "step": step,
        "random": random,
        "best": run.best,
        "changes": run.changes,
        "watch": None if run.watch is None else run.watch.state_dict(),
        "start": run.start,
        "trained_on": seen
        and {
            "identities": list(seen.identities),
            "crops": torch.from_numpy(seen.crops),
            "complete": seen.complete,
        },
    }


def restore(run: Run, point: dict[str, Any]) -> None:
    """Puts a run where a checkpoint was taken. Raises RunError if the training set is another one by now.

    Says so on stderr where other processes go on than began: the sums of gradients round differently.
    """
    task = tasks.of(run.config)
    classes = run.data.classes
    then = (point["identities"], point["crops_fingerprint"])
    if then != (classes, run.data.fingerprint()):
        now = f"{len(run.data):,}" + ("" if classes is None else f" of {len(classes):,}")
        raise RunError(
            f"{run.data.path}: the training set has changed since the run began: then "
            f"{task.counted(point['num_crops'], point['identities'])}, now {now}, or others of the same "
            "number; put it back, or start a new run with --out"
        )
    # A checkpoint of an older version does not say.
    if point.get("crops_content", run.data.content()) != run.data.content():
        raise RunError(
            f"{run.data.path}: some {plural(task.thing)} are not the files that they were when the run "
            "began, though names and lengths are the same; put those back, or start a new run with --out"
        )
    if point["processes"] != run.processes.describe() and run.processes.is_main:
        print(
            f"warning: the run was made on {point['processes']} and continues on {run.processes.describe()}: "
            "its numbers will differ from an uninterrupted run's in the last digits, and by more where batch "
            "normalisation or pairs take the part of each process",
            file=sys.stderr,
        )
    run.learner.load_state_dict(point)
    torch.set_rng_state(point["random"]["cpu"])
    if "cuda" in point["random"] and run.processes.device.type == "cuda":
        torch.cuda.set_rng_state(point["random"]["cuda"])
    run.first_step, run.best, run.start = point["step"], point["best"], point["start"]
    run.changes = point.get("changes", [])  # checkpoints of older versions have none
    if run.watch is not None and point.get("watch") is not None:  # nor this
        run.watch.load_state_dict(point["watch"])
    for setting, (before, now) in differences(point["config"], to_dict(run.config)).items():
        if setting in task.after_divergence or setting in ("train.precision", "head"):
            change = {"step": run.first_step, "setting": setting, "before": before, "now": now}
            run.changes = [*run.changes, change]
            if run.processes.is_main:
                print(f"changed from step {run.first_step} on: {setting} {before} -> {now}", file=sys.stderr)
    if run.trained_on is not None:
        # The start's are in the checkpoint only. One of an older version does not have them.
        before = weights.trained_on_of(point)
        run.trained_on = run.trained_on.with_start(before)


def keep_failure(run: Run, step: int) -> str:
    """Saves the batch that failed and the state before it; returns what to tell the user."""
    _save_failure(run, step)  # first: one process's full disk must not leave the others waiting in it
    items = [item for part in islice(sampler(run, step), run.config.train.accumulate) for item in part]
    paths, labels = zip(*(run.data.describe(index) for index, _ in items), strict=True)
    labelled = run.data.classes is not None
    batch = {
        "step": step,
        "paths": paths,
        **({"labels": labels} if labelled else {}),
        "positions": [position for _, position in items],
    }
    run.folder.failure.mkdir(exist_ok=True)
    write_text(
        run.folder.failure / f"batch_rank{run.processes.rank}.json", json.dumps(batch, indent=2) + "\n"
    )
    task = tasks.of(run.config)
    *others, last = task.gentler
    return (
        f"its batch ({'paths, labels' if labelled else 'paths'}) and the state before it are in "
        f"{run.folder.failure}; try {', '.join(others)} or {last}; {_how_to_try(task)}"
    )


def _save_failure(run: Run, step: int) -> None:
    run.saver.save([run.folder.failure / "state.pt"], payload_of(run, step))
    run.saver.wait()


def _how_to_try(task: tasks.Task) -> str:
    setting = task.gentler[0].split()[-1]
    return (
        f"after a divergence --resume takes these changed, as by --set {setting}=..., from the newest "
        "checkpoint on; or start a new run with --out"
    )
