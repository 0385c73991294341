"""`python -m eval`, which the library does not import: it runs from the checkout, not from the wheel."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sphereface_plus.config import ConfigError
from sphereface_plus.config.recipes import recipes_folder


def evaluation(table: str, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The command `python -m eval` with these words, and its environment.

    table: what needs it, named in the ConfigError that is raised where eval is not there.
    """
    checkout = recipes_folder().parent
    if not (checkout / "eval" / "__main__.py").is_file():
        raise ConfigError(
            f"{table}: is measured by eval, which is not installed with the library; take a checkout of the "
            "repository"
        )
    paths = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    # -P: no `eval` that lies in the working directory.
    command = [sys.executable, "-P", "-m", "eval", *words]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
