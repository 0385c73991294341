"""A table's runs, one process each, some at once; those that are finished are not run again."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from sphereface_plus.config import ImageConfig, to_dict
from sphereface_plus.data.image_sets import NAMES, open_images
from sphereface_plus.reproduce.spec import Job
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.logs import read_log


def folder_of(job: Job, out: Path) -> Path:
    """Where a run lies: its row and seed in words, and a hash of its settings."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", job.row).strip("_").lower()
    digest = hashlib.sha256("\n".join(job.settings).encode()).hexdigest()[:8]
    return out / "runs" / f"{words}_{digest}_seed{job.seed}"


def is_finished(folder: Path, steps: int) -> bool:
    log = folder / "log.jsonl"
    return log.is_file() and any(line["step"] == steps and "test/accuracy" in line for line in read_log(log))


def check_data(configs: Sequence[ImageConfig]) -> None:
    """Opens every set of small images once. Raises ImagesError before hours have gone by."""
    for name, path in sorted({(config.data.name, config.data.path) for config in configs}):
        if name in NAMES:
            open_images(name, path, "test")


def run_all(
    configs: dict[Path, ImageConfig], *, at_once: int, progress: Callable[[int, float | None], None]
) -> None:
    """Runs what is not finished, `at_once` processes at a time, each with its share of the processors.

    progress: called with the number of finished runs and the seconds left, unknown before the first is done.
    Raises RunError for the first run that fails; KeyboardInterrupt after the runs have saved and stopped.
    """
    waiting = [folder for folder, config in configs.items() if not is_finished(folder, config.train.steps)]
    done, started = len(configs) - len(waiting), time.monotonic()
    before = done
    threads = max(1, len(os.sched_getaffinity(0)) // at_once)
    running: dict[Path, subprocess.Popen] = {}
    progress(done, None)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                folder = waiting.pop(0)
                running[folder] = _start(folder, configs[folder], threads)
            time.sleep(0.2)
            for folder, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[folder]
                if process.returncode:
                    raise RunError(f"{folder}: this run failed; {_last_words(folder)}")
                done += 1
                rate = (time.monotonic() - started) / (done - before)
                progress(done, rate * (len(configs) - done))
    finally:
        for process in running.values():
            process.terminate()  # saves and stops; the same command goes on with it
        for process in running.values():
            process.wait()


def _start(folder: Path, config: ImageConfig, threads: int) -> subprocess.Popen:
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe = folder.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump(to_dict(config), sort_keys=False), encoding="utf-8")
    with folder.with_suffix(".txt").open("w", encoding="utf-8") as words:
        return subprocess.Popen(
            [sys.executable, "-m", "sphereface_plus", "train", str(recipe), "--out", str(folder), "--resume"],
            stdout=words,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            start_new_session=True,  # a Ctrl-C reaches this process, which then stops them
        )


def _last_words(folder: Path) -> str:
    lines = folder.with_suffix(".txt").read_text(encoding="utf-8").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
