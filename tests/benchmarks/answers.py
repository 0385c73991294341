"""How soon commands answer: processor time, user and system together, and the clock; median, least and most.

    PYTHONPATH=. python tests/benchmarks/answers.py [CALLS]
    PYTHONPATH=. python tests/benchmarks/answers.py CALLS TRAIN_WORDS...

The first: --help, and recipes that are refused, in turn. The second: `sphereface-plus train TRAIN_WORDS...`,
from the command to the log's line of its first step; each call gets a new folder for --out.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time

RECIPE = "configs/face/sphereface4_casia.yaml"
ANSWERS = [
    "sphereface_plus --help",
    "sphereface_plus train --help",
    "eval --help",
    "data_prep --help",
    f"sphereface_plus train {RECIPE} --set train.batch_size=0",
    f"sphereface_plus train {RECIPE} --set data.path=nowhere",
]


def answered(words: str) -> tuple[float, float]:
    """Seconds of processor and clock."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", *words.split()], capture_output=True, check=False)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def first_step(words: list[str]) -> float:
    """Seconds of the clock."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sphereface_plus", "train", *words, "--out", f"{folder}/run"]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("step 0/"):
                seconds = time.perf_counter() - start
                process.kill()
                process.communicate()
                return seconds
        sys.exit("".join(said))


def told(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} .. {max(seconds):.2f})"


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if len(sys.argv) > 2:
        print("first step:", told([first_step(sys.argv[2:]) for _ in range(calls)]), "s")
        return
    turns = [[answered(words) for words in ANSWERS] for _ in range(calls)]
    for number, words in enumerate(ANSWERS):
        processor, clock = zip(*(turn[number] for turn in turns), strict=True)
        print(f"{words}: {told(list(processor))} s of processor, {told(list(clock))} s by the clock")


if __name__ == "__main__":
    main()
