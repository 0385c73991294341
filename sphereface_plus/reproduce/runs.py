"""A table's runs, one process each, some at once; those that have finished or diverged are not run again."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import torch
import yaml

from sphereface_plus import __version__, environment
from sphereface_plus.config import GanConfig, to_dict
from sphereface_plus.data import imagenet
from sphereface_plus.data.image_folders import SPLITS
from sphereface_plus.data.image_sets import NAMES, open_images
from sphereface_plus.files import write_text
from sphereface_plus.precision import fastest
from sphereface_plus.processes import takes_cuda
from sphereface_plus.reproduce import ACCURACY
from sphereface_plus.reproduce.spec import Job, TableConfig
from sphereface_plus.side_by_side import Chain, Command, last_words, processors, run_chains
from sphereface_plus.training.folder import DivergedError, RunError, RunFolder
from sphereface_plus.training.gan_result import result_of
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.precision import with_precision


def check_data(configs: Sequence[TableConfig]) -> dict[str, str]:
    """Opens every set of small images and lists ImageNet's. Returns, by set, a hash over its images, for
    ImageNet, whose reading is slow, its path. Raises ImagesError before hours have gone by."""
    found = {}
    splits_of = {
        (config.data.name, config.data.path): ("train",) if isinstance(config, GanConfig) else SPLITS
        for config in configs
    }
    for (name, path), needed in sorted(splits_of.items()):
        if name in NAMES:
            splits = (open_images(name, path, split).fingerprint() for split in needed)
            found[name] = hashlib.sha256("".join(splits).encode()).hexdigest()
        else:
            imagenet.check_splits(path)
            found[name] = path
    return found


def settled(configs: dict[Job, TableConfig]) -> dict[Job, TableConfig]:
    """The configs with `train.precision: auto` decided once, so that all runs of a table have the same; on
    another kind of machine they count as other runs."""
    decided: dict[str, str] = {}

    def settle(config: TableConfig) -> TableConfig:
        device = config.train.device
        if config.train.precision != "auto":
            return config
        if device not in decided:
            decided[device] = fastest(torch.device("cuda" if takes_cuda(device) else "cpu")).precision
        return with_precision(config, decided[device])

    return {job: settle(config) for job, config in configs.items()}


def folder_of(job: Job, config: TableConfig, data: str, out: Path) -> Path:
    """Where a run lies: its row and seed in words, and a hash of all its settings and of its data (as
    check_data tells them) in place of their path, so that a table never takes another's runs for its own."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", job.row).strip("_").lower()
    tree = to_dict(config)
    tree["data"]["path"] = data
    digest = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:8]
    return out / "runs" / f"{words}_{digest}_seed{job.seed}"


def is_finished(folder: Path, config: TableConfig) -> bool:
    steps = config.train.steps
    if isinstance(config, GanConfig):
        with suppress(RunError):  # it has no samples yet
            return result_of(folder).step == steps
        return False
    log = folder / "log.jsonl"
    return log.is_file() and any(line["step"] == steps and ACCURACY in line for line in read_log(log))


def failure_of(folder: Path) -> str | None:
    """The last words of a run that failed. Asked before is_finished: a last update that broke the network is
    tested, too."""
    return record_of(folder).get("failed")


def has_diverged(folder: Path) -> bool:
    """Whether the run itself failed, and would again. Others were killed, or a disk was full."""
    return record_of(folder).get("diverged", False)


def run_all(
    configs: dict[Path, TableConfig],
    data: dict[str, str],
    *,
    at_once: int,
    progress: Callable[[int, float | None], None],
) -> None:
    """Runs what has neither finished nor diverged, `at_once` processes at a time, each with its share of the
    processors. A run that fails is noted (failure_of), and the others go on.

    data: what check_data returned. progress: called with the number of runs that have ended and the seconds
    left, unknown before the first has.
    Raises RunError where another process trains one of the runs; KeyboardInterrupt with the signal's number
    at SIGINT, SIGTERM or SIGHUP, after the runs have stopped.
    """
    waiting = [
        folder
        for folder, config in configs.items()
        if not has_diverged(folder) and (failure_of(folder) is not None or not is_finished(folder, config))
    ]
    done, started = len(configs) - len(waiting), time.monotonic()
    before = done
    threads = max(1, processors() // at_once)
    versions = {"commit": environment.commit() or f"version {__version__}", "torch": torch.__version__}

    def one_more() -> None:
        nonlocal done
        done += 1
        progress(done, (time.monotonic() - started) / (done - before) * (len(configs) - done))

    def recorded(folder: Path, config: TableConfig) -> Chain:
        about = versions | {"data": data[config.data.name], "at_once": at_once}
        yield from _recorded(folder, config, about | _machine(config, threads))
        one_more()

    progress(done, None)
    chains = [recorded(folder, configs[folder]) for folder in waiting]
    run_chains(chains, at_once=at_once, threads=threads)


def _recorded(folder: Path, config: TableConfig, about: dict[str, Any]) -> Chain:
    """One run, and how it was made and ended in its record."""
    recipe = folder.with_suffix(".yaml")
    with RunFolder(folder).held():  # raises RunError where another process trains it
        _record_begin(folder, about)
    write_text(recipe, yaml.safe_dump(to_dict(config), sort_keys=False))
    words = [sys.executable, "-m", "sphereface_plus", "train", str(recipe), "--out", str(folder), "--resume"]
    code, started = 0, time.monotonic()
    try:
        code = yield Command(words, folder.with_suffix(".txt"))
    finally:  # also where it is stopped: the same command goes on with it
        _record_end(folder, time.monotonic() - started, code)


def record_of(folder: Path) -> dict[str, Any]:
    """Where, when and with what a run was made: the different values over its parts, as a run that was
    interrupted has several; the seconds of each part, null where nobody saw its end; and where it failed, its
    last words as `failed`, and `diverged`. Empty where nothing was kept."""
    file = folder.with_suffix(".json")
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError:
        raise RunError(f"{file}: is damaged; delete it, the run beside it goes on without") from None


def _record_begin(folder: Path, part: dict[str, Any]) -> None:
    begun = RunFolder(folder).config.is_file()
    before = record_of(folder) if begun else {}  # what lies beside a folder that was deleted is of no use
    seconds = before.get("seconds", [None] if begun else [])
    part = part | {"date": str(date.today())}
    values = {name: list(dict.fromkeys([*before.get(name, []), value])) for name, value in part.items()}
    _write_record(folder, values | {"seconds": [*seconds, None]})


def _record_end(folder: Path, seconds: float, code: int = 0) -> None:
    record = record_of(folder)
    record["seconds"][-1] = round(seconds, 1)
    if code:
        record |= {
            "failed": last_words(folder.with_suffix(".txt"), code),
            "diverged": code == DivergedError.exit_code,
        }
    _write_record(folder, record)


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    write_text(folder.with_suffix(".json"), json.dumps(record, indent=2) + "\n")


def _machine(config: TableConfig, threads: int) -> dict[str, Any]:
    if takes_cuda(config.train.device):
        return {"hardware": torch.cuda.get_device_name()}
    return {"hardware": environment.processor(), "threads": threads}
