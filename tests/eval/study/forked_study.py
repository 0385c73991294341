"""`python -m eval`, whose trainings and measurements are forked from a process that has loaded torch."""

import subprocess
from types import SimpleNamespace

from eval.__main__ import main
from sphereface_plus import side_by_side
from tests.forked import Forked

if __name__ == "__main__":
    side_by_side.subprocess = SimpleNamespace(Popen=Forked, STDOUT=subprocess.STDOUT)  # pyright: ignore
    main()
