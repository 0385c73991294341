"""The paper's tables of face models, which eval measures, and the studies of faces, which it trains too.

The library does not import eval: the process becomes `python -m eval paper` or `study`, so that signals,
output and exit code are that command's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

# The config takes a fifth of a second to import: where it is used, and not for --help.


def face_tables() -> list[str]:
    """Names of the tables and figures."""
    from sphereface_plus.config.recipes import recipes_folder

    return sorted(file.stem for file in (recipes_folder() / "paper" / "faces").glob("*.yaml"))


def face_studies() -> list[str]:
    """Names of the studies, whose arms are trained."""
    from sphereface_plus.config.recipes import recipes_folder

    return sorted(file.stem for file in (recipes_folder() / "paper").glob("truth_faces_*.yaml"))


class WithFaceTables(click.Command):
    """A command whose first argument may name one of them; what follows are then options of `eval paper` or
    `eval study`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] in face_tables():
            become_eval("paper", args)
        if args and args[0] in face_studies():
            become_eval("study", args)
        return super().parse_args(ctx, args)


def become_eval(name: str, arguments: Sequence[str]) -> NoReturn:
    """Replaces this process. name: of eval's command; arguments: the table or study, and options.

    Raises ConfigError where eval is not there.
    """
    from sphereface_plus.reproduce.evaluation import evaluation

    command, environment = evaluation(arguments[0], [name, *arguments])
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)
