"""What the options and arguments of several commands have in common."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
option = partial(click.option, show_default=True)
PER_TAR = 100_000
CROPS = "folder, manifest, list or packed set of crops"
