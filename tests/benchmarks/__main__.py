"""Every benchmark, each in a process of its own, beside what else could be used; and a file of their figures.

    make bench [JSON=bench.json] [ONLY="head gan"]
    PYTHONPATH=.:.venv/faiss python -m tests.benchmarks [--json bench.json] [--only head gan]

Each script prints ratios of what took turns in its process. Before the first and after each, the machine's
bare product is timed, which says whether it was as fast throughout: a run of which it was not is no
measurement. The file holds processor, versions, commit, these rates, and each figure with its spread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from sphereface_plus.environment import record
from sphereface_plus.files import write_text
from sphereface_plus.path_checks import check_file
from tests.benchmarks.figures import KEPT_IN, bare_product, in_turn, spread

HERE = Path(__file__).parent
SCRIPTS = {file.stem.removeprefix("bench_"): file for file in sorted(HERE.glob("bench_*.py"))}


def product_rate() -> np.ndarray:
    """GFLOP/s of the bare float32 product, by the clock, of five turns."""
    product, flop = bare_product(torch.float32)
    product()
    return 1e-9 * flop / in_turn({"bare": product}, 5)["bare"][:, 0]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--json", type=Path, help="file for the figures; one that is there is replaced")
    arguments.add_argument("--only", nargs="+", choices=SCRIPTS, metavar="NAME", help=", ".join(SCRIPTS))
    options = arguments.parse_args()
    if options.json is not None:
        check_file(options.json, ".json")  # before an hour of work
    environment = record(gpu=True)
    print(environment)
    rates, failed = [product_rate()], []
    print(f"bare float32 product: {spread(rates[-1], 0)} GFLOP/s")
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures"
        for name in options.only or SCRIPTS:
            print(f"\n== {SCRIPTS[name].name}", flush=True)
            words = [sys.executable, str(SCRIPTS[name])]
            if subprocess.run(words, env=os.environ | {KEPT_IN: str(figures)}, check=False).returncode:
                failed.append(name)
            rates.append(product_rate())
            print(f"bare float32 product: {spread(rates[-1], 0)} GFLOP/s", flush=True)
        lines = figures.read_text(encoding="utf-8").splitlines() if figures.exists() else []
    if options.json is not None:
        made = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment,
            "threads": torch.get_num_threads(),
            "bare product, GFLOP/s": [round(float(np.median(rate)), 1) for rate in rates],
            "failed": failed,
            "figures": [json.loads(line) for line in lines],
        }
        write_text(options.json, json.dumps(made, indent=1) + "\n")
        print(f"\n{len(lines)} figures: {options.json}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
