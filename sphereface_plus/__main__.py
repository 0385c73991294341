"""The command line: sphereface-plus, or python -m sphereface_plus (also under torchrun)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from sphereface_plus import __version__
from sphereface_plus.commands.convert import convert
from sphereface_plus.commands.embed import embed
from sphereface_plus.commands.ending import Commands
from sphereface_plus.commands.export import export
from sphereface_plus.commands.training import finetune, train
from sphereface_plus.plan.command import plan
from sphereface_plus.reproduce.command import reproduce
from sphereface_plus.sphere.command import sphere

# torch and what needs it are imported inside the commands: --help and a wrong option answer at once.


@click.group(
    cls=Commands,
    keeping=("train", "finetune", "embed", "reproduce"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="sphereface-plus")
def cli() -> None:
    """Train networks with minimum hyperspherical energy (MHE): faces with angular margins, and images.

    Crops are made by `python -m data_prep align`, reports by `python -m eval`.
    """


for command in (train, finetune, plan, embed, export, convert, reproduce, sphere):
    cli.add_command(command)


@cli.command()
def settings() -> None:
    """Print every setting of a recipe of faces, then of images: type, default and what it means."""
    from sphereface_plus.commands.settings_help import settings_help

    click.echo(settings_help())


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
def show(model: Path) -> None:
    """Describe a run, checkpoint or weight file: layers, input spec, energy of the prototypes, where it comes
    from."""
    from sphereface_plus.model_files import check_model

    check_model(model)

    from sphereface_plus.commands.describe import describe

    click.echo(describe(model))


def main() -> None:
    """Entry point, also of each process that torchrun starts."""
    try:
        cli(prog_name="sphereface-plus")
    except SystemExit as end:
        if "WORLD_SIZE" in os.environ and "torch" in sys.modules:
            from sphereface_plus.processes import leave

            leave(int(end.code or 0))
        raise


if __name__ == "__main__":
    main()
