"""A table's runs, one process each, some at once; those that are finished are not run again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
import yaml

from sphereface_plus import __version__, environment
from sphereface_plus.config import ImageConfig, to_dict
from sphereface_plus.data.image_sets import NAMES, open_images
from sphereface_plus.output import write_text
from sphereface_plus.reproduce.spec import Job
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.logs import read_log


def folder_of(job: Job, config: ImageConfig, out: Path) -> Path:
    """Where a run lies: its row and seed in words, and a hash of all its settings but where the data lie, so
    that a table never takes the runs of another recipe for its own."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", job.row).strip("_").lower()
    tree = to_dict(config)
    del tree["data"]["path"]
    digest = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:8]
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
    record = {"commit": environment.commit() or f"version {__version__}", "torch": torch.__version__}
    waiting = [folder for folder, config in configs.items() if not is_finished(folder, config.train.steps)]
    done, started = len(configs) - len(waiting), time.monotonic()
    before = done
    threads = max(1, _processors() // at_once)
    running: dict[Path, subprocess.Popen] = {}
    started_at: dict[Path, float] = {}
    progress(done, None)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                folder = waiting.pop(0)
                started_at[folder] = time.monotonic()
                running[folder] = _start(folder, configs[folder], threads)
            time.sleep(0.2)
            for folder, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[folder]
                if process.returncode:
                    raise RunError(f"{folder}: this run failed; {_last_words(folder)}")
                done += 1
                seconds = time.monotonic() - started_at[folder]
                _keep_record(folder, record | _machine(configs[folder], threads), seconds, at_once)
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


def record_of(folder: Path) -> dict[str, Any]:
    """Where, when and with what a run was made. Empty where nothing was kept."""
    file = folder.with_suffix(".json")
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _keep_record(folder: Path, record: dict[str, Any], seconds: float, at_once: int) -> None:
    """Beside the run: of its last part, if it was interrupted."""
    content = record | {"date": str(date.today()), "seconds": round(seconds), "at_once": at_once}
    write_text(folder.with_suffix(".json"), json.dumps(content, indent=2) + "\n")


def _machine(config: ImageConfig, threads: int) -> dict[str, Any]:
    if config.train.device != "cpu" and torch.cuda.is_available():
        return {"hardware": torch.cuda.get_device_name()}
    return {"hardware": environment.processor(), "threads": threads}


def _processors() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _last_words(folder: Path) -> str:
    lines = folder.with_suffix(".txt").read_text(encoding="utf-8").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
