"""`python -m eval`, whose trainings and measurements are forked from a process that has loaded torch.

Where STOP_AFTER_ROWS is set, it is told to end as soon as its tables have so many rows.
"""

import os
import signal
import subprocess
from types import SimpleNamespace

from eval.__main__ import main
from eval.study.kept import Kept
from sphereface_plus import side_by_side
from tests.forked import Forked

add = Kept.add


def add_and_stop(kept, *row):
    add(kept, *row)
    if len(kept.rows) == int(os.environ.get("STOP_AFTER_ROWS", "0")):
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    Kept.add = add_and_stop
    side_by_side.subprocess = SimpleNamespace(Popen=Forked, STDOUT=subprocess.STDOUT)  # pyright: ignore
    main()
