"""The commands `sphereface-plus train` and `sphereface-plus finetune`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.words import counted, plural

if TYPE_CHECKING:
    from sphereface_plus.training.run import Outcome

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--resume", is_flag=True, help="Go on with the run in that folder, if there is one."),
        click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<name>]"),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a setting; repeatable. `sphereface-plus settings` lists them all.",
        ),
        click.argument("recipe", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@click.command()
@training_options
def train(recipe: Path, overrides: tuple[str, ...], out: Path | None, resume: bool) -> None:
    """Train what RECIPE describes, a YAML file or the name of one that is installed, such as cifar/cnn9.

    Ctrl-C or SIGTERM saves and stops; --resume repeats the uninterrupted run exactly. With --resume,
    train.steps, data.workers, train.save_in_background and the number of processes may differ from before; of
    faces head; of image classifications data.path, where the same training images lie there; after a
    divergence what its message advises; nothing else. The exit code is 3 where the training has diverged, 130
    or 143 where it was stopped, 1 for everything else that the message says.

    \b
    sphereface-plus train configs/face/sphereface20_casia.yaml --set data.path=crops/casia
    torchrun --nproc-per-node 4 -m sphereface_plus train RECIPE
    """
    _train(recipe, overrides, out, resume)


@click.command()
@training_options
@click.option(
    "--init-from",
    type=click.Path(path_type=Path),
    help="Run folder, checkpoint or weight file to start from.",
)
@click.option("--reset-head", is_flag=True, help="Begin with new prototypes, for other identities.")
def finetune(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    init_from: Path | None,
    reset_head: bool,
) -> None:
    """Train RECIPE from the weights of another run: the paper's way from SphereFace to SphereFace+.

    What was loaded, missing and mismatched is printed and kept in load_report.json of the run. Optimizer and
    step start from zero.

    \b
    sphereface-plus finetune configs/face/sphereface_plus20_casia.yaml --init-from runs/sphereface20_casia
    """
    options = [f"init_from={json.dumps(str(init_from))}"] if init_from is not None else []
    options += ["reset_head=true"] if reset_head else []
    _train(recipe, overrides, out, resume, options, needs_start=True)


def _train(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    options: Sequence[str] = (),
    *,
    needs_start: bool = False,
) -> None:
    """options: settings that other options than --set give, which win."""
    from sphereface_plus import config as configuration
    from sphereface_plus.config.recipes import find_recipe
    from sphereface_plus.training import beforehand, tasks
    from sphereface_plus.training.folder import RunFolder, place_of

    recipe = find_recipe(recipe)
    task = tasks.TASKS[configuration.task_of(recipe)]
    if needs_start and task.start is None:
        known = " and ".join(each.title.lower() for each in tasks.TASKS.values() if each.start is not None)
        raise configuration.ConfigError(f"{recipe}: is of {plural(task.thing)}; fine-tuning is for {known}")
    config = configuration.load(recipe, [*overrides, *options], typed=overrides)
    if needs_start and task.start is not None and task.start(config) is None:
        raise configuration.ConfigError(
            f"{recipe}: a fine-tuning needs --init-from, or init_from in the recipe"
        )
    is_main = os.environ.get("RANK", "0") == "0"  # the others would find what the main process has made
    if is_main:
        beforehand.check(config, RunFolder(place_of(config, out)), resume=resume)

    from sphereface_plus.training.run import train as train_run  # draws in torch

    outcome = train_run(config, out, resume=resume)
    if is_main:
        _say(outcome)
    if outcome.signal is not None:
        # As a shell reports a signal: 130 Ctrl-C, 143 SIGTERM.
        click.get_current_context().exit(128 + outcome.signal)


def _program() -> str:
    """What began this process, as one types it; of several machines' torchrun each has words of its own."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        return "sphereface-plus"
    if os.environ.get("LOCAL_WORLD_SIZE") == str(processes):
        return f"torchrun --nproc-per-node {processes} -m sphereface_plus"
    return "torchrun, as before, -m sphereface_plus"


def _say(outcome: Outcome) -> None:
    if outcome.was_finished:
        click.echo(
            f"{outcome.folder}: finished already, at step {outcome.step}; raise train.steps to train on"
        )
    elif outcome.signal is not None:
        again = [argument for argument in sys.argv[1:] if argument != "--resume"]
        click.echo(
            f"{outcome.folder}: stopped and saved at step {outcome.step} of {outcome.last_step}; go on with"
        )
        click.echo(f"  {_program()} {shlex.join(again)} --resume")
        if _program().startswith("torchrun --"):
            click.echo("and torchrun's other options, such as --max-restarts, as before")
    else:
        steps = counted(outcome.step, "step")
        click.echo(f"{outcome.folder}: trained, {steps}; checkpoints/last.pt, log.jsonl, tensorboard")
