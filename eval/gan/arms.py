"""Runs that differ in the seed alone are one arm: its mean over seeds, and its paired difference to another.

Runs of one seed share the order of the images and the noise that they were trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sphereface_plus.training.folder import settings_of

from ..seeds import Group, paired
from .errors import GeneratorError
from .generators import Generator

UNIMPORTANT = frozenset(
    ("name", "seed", "data.path", "train.log_every", "train.checkpoint_every", "train.steps", "train.device")
)
"""Settings in which the runs of an arm may differ: none of them changes an update."""
WORDS = {"mhe.weight": "MHE", "network.discriminator_normalisation": "normalisation", "loss.kind": "loss"}
"""Short names of what arms most often differ in; of texts the value says it: `MHE 1, spectral`."""
MEASURES = ("class_score", "frechet_distance", "kernel_distance", "precision", "recall")


@dataclass
class Arm:
    """The runs of one arm."""

    settings: dict[str, Any]
    runs: list[int] = field(default_factory=list)
    """Their numbers in the report."""


def arms_of(generators: Sequence[Generator]) -> list[Arm]:
    """In the order of their first runs. Raises GeneratorError for two runs of one arm with the same seed: one
    would be lost, or counted twice."""
    arms: list[Arm] = []
    for number, generator in enumerate(generators):
        settings = {
            name: value for name, value in settings_of(generator.config).items() if name not in UNIMPORTANT
        }
        settings["step"] = generator.step
        arm = next((arm for arm in arms if arm.settings == settings), None)
        if arm is None:
            arms.append(arm := Arm(settings))
        same = next((one for one in arm.runs if generators[one].config.seed == generator.config.seed), None)
        if same is not None:
            raise GeneratorError(
                f"{generators[same].place} and {generator.place}: both are of seed {generator.config.seed}, "
                f"step {generator.step} and the same settings; give one of them, or measure each alone"
            )
        arm.runs.append(number)
    return arms


def labels_of(arms: Sequence[Arm], generators: Sequence[Generator]) -> list[str]:
    """What each arm has that others have not: `mhe.weight=1`; the recipe's name where there is one arm."""
    if len(arms) == 1:
        return [generators[0].config.name]
    names = sorted({name for arm in arms for name in arm.settings})
    differing = [name for name in names if len({repr(arm.settings.get(name)) for arm in arms}) > 1]
    return [", ".join(_said(name, arm.settings.get(name)) for name in differing) for arm in arms]


def _said(name: str, value: Any) -> str:
    words = WORDS.get(name, name.rpartition(".")[2].replace("_", " "))
    if name in WORDS and isinstance(value, str):
        return f"no {words}" if value == "none" else value
    return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"


def compared(
    arms: Sequence[Arm], labels: Sequence[str], runs: Sequence[dict[str, Any]], extractor: str
) -> list[dict[str, Any]]:
    """Each arm in one feature space: {"label", "seeds", measure: {"mean", "sd", "difference"}}; differences
    to the first arm, seed by seed, with a t interval over seeds."""
    by_seed = [
        {measure: _by_seed([runs[number] for number in arm.runs], extractor, measure) for measure in MEASURES}
        for arm in arms
    ]
    rows = []
    for label, values in zip(labels, by_seed, strict=True):
        row: dict[str, Any] = {"label": label}
        for measure in MEASURES:
            row[measure] = _spread(values[measure]) | {
                "difference": _difference(label, values[measure], by_seed[0][measure])
                if values is not by_seed[0]
                else None
            }
        row["seeds"] = sorted(values["kernel_distance"] or values["class_score"])
        rows.append(row)
    return rows


def _by_seed(runs: Sequence[dict[str, Any]], extractor: str, measure: str) -> dict[int, float]:
    """Of those runs that have it."""
    found = {}
    for run in runs:
        scores = run["scores"][extractor]
        part = scores["precision_recall" if measure in ("precision", "recall") else measure]
        if part is not None:
            found[run["seed"]] = part["value" if "value" in part else measure]
    return found


def _spread(by_seed: dict[int, float]) -> dict[str, float | None]:
    values = np.array(list(by_seed.values()))
    return {
        "mean": float(values.mean()) if len(values) else None,
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
    }


def _difference(label: str, values: dict[int, float], base: dict[int, float]) -> dict[str, Any] | None:
    """None where no two seeds are in both."""
    both = sorted(values.keys() & base.keys())
    if len(both) < 2:
        return None
    these, those = ({seed: some[seed] for seed in both} for some in (values, base))
    found = paired(Group(label, these), Group("the first arm", those))
    return {"mean": found.mean, "low": found.low, "high": found.high, "seeds": both}
