"""How often two models of one quality differ in TAR at a FAR with p < .05, in %, by simulation.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/tar_difference.py [--draws 400]

megaface  80 people's probes and 200 distractors, all pairs of which are impostors
pairs     all pairs of the photos of 100 people, as IJB and lists have them

People have 44 photos each (pairs: 6), or 2 to 60, a few with many (LFW). Of the variance of impostors'
scores some is a person's, a distractor's, or that of the two, as told by standard deviations; of that of
genuine ones 16 % are the person's, correlated -.5 with the former. `alike`: the share of all variance that
both models have in common. `kept`: the test that takes both thresholds as given. `better`: how often the
second model is found better if its genuine pairs score higher by a third of a standard deviation.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from eval.intervals import difference_of_counts
from eval.threshold_differences import AtThreshold, difference_at_thresholds
from eval.threshold_intervals import FalseShare, ListedPairs, crossed

FARS = (1e-2, 1e-3, 1e-4)
ALIKE = (0.0, 0.5, 0.8, 0.95)
DISTRACTORS = 200
MEAN, BETTER = 3.5, 1 / 3
LOWEST = 1.2
"""No score below it decides: FAR .12."""
SETTINGS = (
    ("megaface", "alike", (0.2, 0.1, 0.3)),
    ("megaface", "alike", (0.1, 0.4, 0.3)),
    ("megaface", "LFW", (0.2, 0.1, 0.3)),
    ("pairs", "alike", (0.3,)),
    ("pairs", "LFW", (0.1,)),
)


@dataclass(frozen=True)
class Scores:
    """Of one model."""

    genuine: np.ndarray
    """(G,)."""
    impostor: np.ndarray
    """(F,): those above LOWEST."""
    place: np.ndarray
    """(F,): which pairs these are."""


def photos_of(kind: str, people: int, each: int, generator: np.random.Generator) -> np.ndarray:
    if kind == "alike":
        return np.full(people, each)
    return np.clip((1 + 2 * generator.pareto(1.2, size=people)).astype(int), 2, 60)


def both(generator: np.random.Generator, alike: float, *shape: int) -> list[np.ndarray]:
    """Normal numbers of two models."""
    common = generator.standard_normal(shape, dtype=np.float32)
    common *= np.float32(math.sqrt(alike))
    models = []
    for _ in range(2):
        own = generator.standard_normal(shape, dtype=np.float32)
        own *= np.float32(math.sqrt(1 - alike))
        own += common
        models.append(own)
    return models


def genuine_of(
    photos: np.ndarray, levels: list[np.ndarray], alike: float, generator: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """Scores of all pairs of one person's photos, of each model, and whose they are."""
    owner = np.repeat(np.arange(len(photos)), photos * (photos - 1) // 2)
    own, rest = both(generator, alike, len(photos)), both(generator, alike, len(owner))
    scores = [
        MEAN + 0.4 * (-0.5 * level + math.sqrt(0.75) * one)[owner] + math.sqrt(1 - 0.16) * noise
        for level, one, noise in zip(levels, own, rest, strict=True)
    ]
    return scores, owner


def highest(genuine: np.ndarray, scores: np.ndarray) -> Scores:
    place = np.flatnonzero(scores.ravel() > LOWEST)
    return Scores(np.sort(genuine), scores.ravel()[place], place)


def megaface(generator: np.random.Generator, kind: str, sds: tuple, alike: float):
    photos = photos_of(kind, 80, 44, generator)
    person = np.repeat(np.arange(80), photos)
    levels, of_distractor = both(generator, alike, 80), both(generator, alike, DISTRACTORS)
    of_two = both(generator, alike, 80, DISTRACTORS)
    rest = both(generator, alike, len(person), DISTRACTORS)
    genuine, owner = genuine_of(photos, levels, alike, generator)
    models = []
    for n in range(2):
        scores = rest[n]
        scores *= np.float32(math.sqrt(1 - sum(sd**2 for sd in sds)))
        scores += (sds[0] * levels[n][:, None] + sds[1] * of_distractor[n] + sds[2] * of_two[n])[person]
        models.append((genuine[n], highest(genuine[n], scores)))

    def false(place: np.ndarray) -> FalseShare:
        probe, distractor = np.divmod(place, DISTRACTORS)
        return crossed(len(place) / rest[0].size, person[probe], distractor, photos, DISTRACTORS)

    return models, owner, rest[0].size, false


def pairs(generator: np.random.Generator, kind: str, sds: tuple, alike: float):
    photos = photos_of(kind, 100, 6, generator)
    person = np.repeat(np.arange(100), photos)
    levels = both(generator, alike, 100)
    first, second = (person[side] for side in np.triu_indices(len(person), 1))
    first, second = first[first != second], second[first != second]
    rest = both(generator, alike, len(first))
    genuine, owner = genuine_of(photos, levels, alike, generator)
    models = []
    for n in range(2):
        scores = rest[n]
        scores *= np.float32(math.sqrt(1 - 2 * sds[0] ** 2))
        scores += sds[0] * (levels[n][first] + levels[n][second])
        models.append((genuine[n], highest(genuine[n], scores)))
    listed = ListedPairs(first, second, 100)

    def false(place: np.ndarray) -> FalseShare:
        which = np.zeros(len(first), dtype=bool)
        which[place] = True
        return listed.accepted(which)

    return models, owner, len(first), false


def at_far(
    genuine: np.ndarray,
    owner: np.ndarray,
    model: Scores,
    count: int,
    far: float,
    false_of: Callable[[np.ndarray], FalseShare],
    gains: tuple[float, ...],
) -> list[AtThreshold]:
    """Of the model whose genuine pairs score higher by each of `gains`. count: impostor pairs."""
    descending = -np.sort(-model.impostor)

    def threshold(share: float) -> float:
        allowed = int(share * count * (1 + 1e-12))
        return float(descending[allowed]) if allowed < len(descending) else LOWEST

    def tar(above: float) -> float:
        return 1 - np.searchsorted(model.genuine, above, side="right") / len(genuine)

    false = false_of(model.place[model.impostor > threshold(far)])
    strict, lenient = false.interval
    return [
        AtThreshold(
            np.bincount(owner, genuine + gain > threshold(far)),
            (tar(threshold(lenient) - gain), tar(threshold(strict) - gain) if int(strict * count) else 0.0),
            -false.parts,
        )
        for gain in gains
    ]


PARTS = {"megaface": megaface, "pairs": pairs}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--draws", type=int, default=400)
    draws = arguments.parse_args().draws
    print("| pairs | people's photos | sd | alike | FAR | p < .05 | kept | better |")
    print("|---|---|---|---|---|---|---|---|")
    for (part, kind, sds), alike in product(SETTINGS, ALIKE):
        seed = [len(part), len(kind), *(round(100 * sd) for sd in sds), round(100 * alike)]
        generator = np.random.default_rng(seed)
        found = np.zeros((len(FARS), 3))
        for _ in range(draws):
            models, owner, count, false = PARTS[part](generator, kind, sds, alike)
            trials = np.bincount(owner)
            for place, far in enumerate(FARS):
                (first,), (second, better) = (
                    at_far(genuine, owner, model, count, far, false, gains)
                    for (genuine, model), gains in zip(models, ((0.0,), (0.0, BETTER)), strict=True)
                )
                found[place] += (
                    difference_at_thresholds(first, second, trials).p_value < 0.05,
                    difference_of_counts(second.counts - first.counts, trials).p_value < 0.05,
                    difference_at_thresholds(first, better, trials).interval[0] > 0,
                )
        spread = ", ".join(f"{sd:g}" for sd in sds)
        for far, shares in zip(FARS, found / draws, strict=True):
            cells = " | ".join(f"{100 * each:.1f}" for each in shares)
            print(f"| {part} | {kind} | {spread} | {alike:g} | {far:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
