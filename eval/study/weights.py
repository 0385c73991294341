"""Weights that follow from gradients: mhe.weight of an arm with a ratio r is r |g| / |e|.

g is the classification loss's gradient by the prototypes and e the unweighted energy's, both without their
radial parts, which turn nothing; the lengths are means over some updates that begin where the arms begin, of
a seed that is none of the study's, in runs without any energy. So no weight was chosen by what came out, and
forms whose values mean different things push alike at first.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path

from sphereface_plus.files import write_csv
from sphereface_plus.training.logs import read_log

from .spec import Study

FILE = "weights.csv"
HEADER = ("arm", "weight", "ratio", "energy_gradient", "classification_gradient")


def of_gradients(ratio: float, energy: float, classification: float) -> float:
    """The weight, to three digits."""
    return float(f"{ratio * classification / energy:.3g}")


def gradients_of(run: Path) -> tuple[float, float]:
    """Mean lengths of the energy's and of the classification loss's tangential gradients over a run's log."""
    lines = [line for line in read_log(run / "log.jsonl") if "mhe/tangential_gradient" in line]
    energy, classification = (
        statistics.mean(line[name] for line in lines)
        for name in ("mhe/tangential_gradient", "mhe/classification_tangential_gradient")
    )
    return energy, classification


def probe_settings(study: Study) -> tuple[str, ...]:
    """What an arm is changed by to measure its gradients: no energy, and a line of the log a step."""
    steps = study.weights_steps
    return ("mhe.weight=0", f"train.steps={steps}", "train.log_every=1", "optimizer.milestones=[]")


def read_weights(out: Path) -> dict[str, float]:
    """Weight by arm, as they were written; empty before."""
    if not (out / FILE).is_file():
        return {}
    with (out / FILE).open(newline="", encoding="utf-8") as lines:
        return {line["arm"]: float(line["weight"]) for line in csv.DictReader(lines)}


def write_weights(out: Path, rows: Sequence[tuple[str, float, float, float]]) -> None:
    """rows: arm, ratio, and the two gradients' lengths."""
    lines = [
        [arm, of_gradients(ratio, energy, classification), ratio, f"{energy:.6g}", f"{classification:.6g}"]
        for arm, ratio, energy, classification in rows
    ]
    write_csv(out / FILE, HEADER, lines)
