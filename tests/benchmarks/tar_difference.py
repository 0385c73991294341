"""How often two models of one quality differ in TAR at a FAR with p < .05, in %, by simulation.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/tar_difference.py [--draws 400] [--only PART]

megaface  80 people's probes and 200 distractors, all pairs of which are impostors
pairs     all pairs of the photos of 100 people, as IJB has them
lists     3,000 genuine and 3,000 impostor pairs: of people who are in one pair only (`alone`), of 60, or
          drawn as LFW's, genuine ones of 1,680 people, others of 5,749

Of the first two parts people have 44 photos each (pairs: 6), or 2 to 60, a few with many (LFW). Of the
variance of impostors' scores some is a person's, a distractor's, or that of the two, as told by standard
deviations; of that of genuine ones 16 % are the person's, correlated -.5 with the former. `alike`: the share
of all variance that both models have in common. `kept`: the test that takes both thresholds as given.
`better`: how often the second model is found better if its genuine pairs score higher by a third of a
standard deviation.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from eval.intervals import difference_of_counts, shares_seen
from eval.threshold_differences import AtThreshold, difference_at_thresholds
from eval.threshold_intervals import FalseShare, ListedPairs, crossed
from tests.benchmarks.people_of_pairs import people_of_pairs

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
    ("lists", "alone", (0.3,)),
    ("lists", "60 people", (0.3,)),
    ("lists", "LFW", (0.3,)),
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


def pairs_of_one(photos: np.ndarray) -> np.ndarray:
    """Whose each pair of one person's photos is."""
    return np.repeat(np.arange(len(photos)), photos * (photos - 1) // 2)


def genuine_of(
    owner: np.ndarray, levels: list[np.ndarray], alike: float, generator: np.random.Generator
) -> list[np.ndarray]:
    """Scores of genuine pairs, of each model; owner (G,): whose they are."""
    own, rest = both(generator, alike, len(levels[0])), both(generator, alike, len(owner))
    return [
        MEAN + 0.4 * (-0.5 * level + math.sqrt(0.75) * one)[owner] + math.sqrt(1 - 0.16) * noise
        for level, one, noise in zip(levels, own, rest, strict=True)
    ]


def highest(genuine: np.ndarray, scores: np.ndarray) -> Scores:
    place = np.flatnonzero(scores.ravel() > LOWEST)
    return Scores(np.sort(genuine), scores.ravel()[place], place)


def megaface(generator: np.random.Generator, kind: str, sds: tuple, alike: float):
    photos = photos_of(kind, 80, 44, generator)
    person = np.repeat(np.arange(80), photos)
    levels, of_distractor = both(generator, alike, 80), both(generator, alike, DISTRACTORS)
    of_two = both(generator, alike, 80, DISTRACTORS)
    rest = both(generator, alike, len(person), DISTRACTORS)
    owner = pairs_of_one(photos)
    genuine = genuine_of(owner, levels, alike, generator)
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
    return listed(first, second, pairs_of_one(photos), levels, sds, alike, generator)


def lists(generator: np.random.Generator, kind: str, sds: tuple, alike: float):
    owner, first, second, people = people_of_pairs(kind, 3000, generator)
    return listed(first, second, owner, both(generator, alike, people), sds, alike, generator)


def listed(
    first: np.ndarray,
    second: np.ndarray,
    owner: np.ndarray,
    levels: list[np.ndarray],
    sds: tuple,
    alike: float,
    generator: np.random.Generator,
):
    """first, second (P,): who is on the impostor pairs; owner (G,): on the genuine ones."""
    rest, people = both(generator, alike, len(first)), len(levels[0])
    genuine = genuine_of(owner, levels, alike, generator)
    models = []
    for n in range(2):
        scores = rest[n]
        scores *= np.float32(math.sqrt(1 - 2 * sds[0] ** 2))
        scores += sds[0] * (levels[n][first] + levels[n][second])
        models.append((genuine[n], highest(genuine[n], scores)))
    impostors = ListedPairs(first, second, people)

    def false(place: np.ndarray) -> FalseShare:
        which = np.zeros(len(first), dtype=bool)
        which[place] = True
        return impostors.accepted(which)

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
        return accepting(int(share * count * (1 + 1e-12)))

    def accepting(allowed: int) -> float:
        return float(descending[allowed]) if allowed < len(descending) else LOWEST

    def tar(above: float) -> float:
        return 1 - np.searchsorted(model.genuine, above, side="right") / len(genuine)

    false = false_of(model.place[model.impostor > threshold(far)])
    low, high = shares_seen(far, false.trials)
    fewest, lenient = int(low * count * (1 + 1e-12)), threshold(high)
    return [
        AtThreshold(
            np.bincount(owner, genuine + gain > threshold(far), len(false.parts)),
            (tar(lenient - gain), tar(accepting(fewest - 1) - gain) if fewest else 0.0),
            -false.parts,
        )
        for gain in gains
    ]


PARTS = {"megaface": megaface, "pairs": pairs, "lists": lists}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--draws", type=int, default=400)
    arguments.add_argument("--only", choices=list(PARTS))
    given = arguments.parse_args()
    draws = given.draws
    print("| pairs | people's photos | sd | alike | FAR | p < .05 | kept | better |")
    print("|---|---|---|---|---|---|---|---|")
    settings = [setting for setting in SETTINGS if given.only in (None, setting[0])]
    for (part, kind, sds), alike in product(settings, ALIKE):
        seed = [len(part), len(kind), *(round(100 * sd) for sd in sds), round(100 * alike)]
        generator = np.random.default_rng(seed)
        found = np.zeros((len(FARS), 3))
        for _ in range(draws):
            models, owner, count, false = PARTS[part](generator, kind, sds, alike)
            for place, far in enumerate(FARS):
                (first,), (second, better) = (
                    at_far(genuine, owner, model, count, far, false, gains)
                    for (genuine, model), gains in zip(models, ((0.0,), (0.0, BETTER)), strict=True)
                )
                trials = np.bincount(owner, minlength=len(first.parts))
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
