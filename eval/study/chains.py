"""The work of a study as chains of commands: each waits for the one before it, and chains run side by side.

A seed is a chain: its start, then arm by arm training, embedding, verification, identification. What an arm
measured is kept before the next one begins; its checkpoints are deleted then.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
import yaml

from sphereface_plus import __version__, checkpoint, environment
from sphereface_plus.config import FaceConfig, to_dict
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.files import write_text
from sphereface_plus.precision import fastest
from sphereface_plus.processes import takes_cuda
from sphereface_plus.side_by_side import Chain, Command, last_words

from . import measure, weights
from .kept import Kept, Row, StudyError
from .spec import START, Study, arm_config, first_config, start_config

DIVERGED = 3
"""The exit code of a training that did."""


@dataclass(frozen=True)
class Work:
    """Where a study is done, and with what."""

    study: Study
    file: Path
    data: Path
    data_hash: str
    place: Path
    """Of runs and reports, which are not kept."""
    kept: Kept
    precision: str
    """What train.precision: auto stands for here."""
    threads: int
    say: Callable[[str], None]
    """Told what begins."""

    def folder(self, seed: int, name: str) -> Path:
        """Of a run."""
        return self.place / f"seed{seed}" / re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("_").lower()


def hash_of(study: Study, data: Path) -> str:
    """Over the crops of both sets, and the lists."""
    digest = hashlib.sha256()
    for name in measure.SETS:
        crops = FaceCrops.open(data / name)
        digest.update(f"{crops.fingerprint()} {crops.content()}".encode())
    for name in measure.lists(study):
        digest.update((data / name).read_bytes())
    return digest.hexdigest()[:12]


def fastest_precision() -> str:
    """What train.precision: auto takes here, decided once, so that all runs have the same."""
    return fastest(torch.device("cuda" if takes_cuda("auto") else "cpu")).precision


def choosing_weights(work: Work) -> Chain:
    """Trains the start of the weights' seed, and writes weights.csv."""
    study, seed = work.study, work.study.weights_seed
    yield from _starting(work, seed)
    start = work.folder(seed, "start")
    rows, measured = [], {}
    for arm, asked in study.arms.items():
        if asked.ratio is None:
            continue
        config = arm_config(study, work.file, work.data, seed, arm, start, weights.probe_settings(study))
        key = config.mhe.model_dump_json()  # arms that differ in their ratio alone are measured once
        if key not in measured:
            run = work.folder(seed, arm)
            yield from _training(work, config, run, f"gradients of {arm}", seed)
            measured[key] = weights.gradients_of(run)
            shutil.rmtree(run)
        rows.append((arm, asked.ratio, *measured[key]))
    weights.write_weights(work.kept.out, rows)


def of_seed(work: Work, seed: int) -> Chain:
    """Trains and measures all arms of a seed that have no row yet."""
    study, kept = work.study, work.kept
    yield from _starting(work, seed)
    start = work.folder(seed, "start")
    fingerprint = weights_hash(start)
    weight = weights.read_weights(kept.out)
    for name in study.rows:
        if kept.find(name, seed, fingerprint, work.data_hash) is not None:
            continue
        began = time.monotonic()
        if name == START:
            run, config = start, start_config(study, work.file, work.data, seed, work.folder(seed, "first"))
        else:
            settings = (f"mhe.weight={weight[name]}",) if name in weight else ()
            config = arm_config(study, work.file, work.data, seed, name, start, settings)
            run = work.folder(seed, name)
            yield from _training(work, config, run, name, seed, may_diverge=True)
        numbers, right, subjects = {}, {}, {}
        if not (run / "failure").is_dir():  # else it has diverged, and its row says so by having no number
            reports = run.with_name(f"{run.name}_measured")
            for words in measure.measuring(run, work.data, _made(reports)):
                command = Command([sys.executable, "-m", "eval", *words], reports.with_suffix(".txt"))
                yield from _ran(work, command, f"seed {seed}: {name}: {words[0]}")
            numbers, right = measure.numbers_of(run, start, work.data, reports)
            subjects = measure.subjects_of(work.data, reports)
            shutil.rmtree(reports)
        made_with = _made_with(work, fingerprint, config) | {"seconds": f"{time.monotonic() - began:.0f}"}
        kept.add(Row(name, seed, made_with, numbers, right), subjects)
        if run != start:
            shutil.rmtree(run)


def _starting(work: Work, seed: int) -> Chain:
    """Trains the start of a seed, and what it begins from."""
    study, first, start = work.study, work.folder(seed, "first"), work.folder(seed, "start")
    config = first_config(study, work.file, work.data, seed)
    if config is not None:
        yield from _training(work, config, first, "before the start", seed)
    config = start_config(study, work.file, work.data, seed, first)
    yield from _training(work, config, start, "start", seed)


def weights_hash(run: Path) -> str:
    """Over the weights of a run's network and prototypes, by which a start is known again."""
    payload, digest = checkpoint.load(checkpoint.resolve(run)), hashlib.sha256()
    for part in ("network", "loss"):
        for name, tensor in sorted(payload[part].items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _training(
    work: Work, config: FaceConfig, run: Path, what: str, seed: int, *, may_diverge: bool = False
) -> Chain:
    tree = to_dict(config)
    if tree["train"]["precision"] == "auto":
        tree["train"]["precision"] = work.precision
    run.parent.mkdir(parents=True, exist_ok=True)
    recipe = run.with_name(f"{run.name}.yaml")
    write_text(recipe, yaml.safe_dump(tree, sort_keys=False))
    words = [sys.executable, "-m", "sphereface_plus", "train", str(recipe), "--out", str(run), "--resume"]
    command = Command(words, run.with_name(f"{run.name}.txt"))
    yield from _ran(work, command, f"seed {seed}: {what}", may_diverge=may_diverge)


def _ran(work: Work, command: Command, what: str, *, may_diverge: bool = False) -> Chain:
    """what: in words, for the user. Raises StudyError with the command's last words where it fails."""
    work.say(what)
    code = yield command
    if code and not (code == DIVERGED and may_diverge):
        said = last_words(command.says, code).removeprefix("error: ")
        raise StudyError(f"{what}: {said} (exit code {code}, {command.says})")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _made_with(work: Work, start: str, config: FaceConfig) -> dict[str, str]:
    precision = config.train.precision
    return {
        "start": start,
        "commit": environment.commit() or f"version {__version__}",
        "date": str(date.today()),
        "processor": environment.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "precision": work.precision if precision == "auto" else precision,
        "threads": str(work.threads),
        "data": work.data_hash,
    }
