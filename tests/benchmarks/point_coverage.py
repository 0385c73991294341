"""How often the 95 % intervals of operating points cover the truth, in %, by simulation.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/point_coverage.py [--draws 1000] [--only PART]

Scores are normal with standard deviation 1, so that the true thresholds and rates are known; part of them is
the person's, as told by standard deviations. People have 2 to 8 photos (`alike`) or 2 to 60, a few with many
(`LFW`). `kept`: the same interval, of the rate with its threshold taken as given; `independent`: Wilson's of
pairs or searches that are taken as independent. In brackets: how often the truth lies above and below the
interval, and its median width.

megaface    FAR and TAR of all pairs with 500 distractors; sd of the impostors' scores by probe's person,
            distractor, and both; of the genuine ones .4 by person, correlated -.5 with the former
pairs       the same of all pairs of photos, as IJB and lists have them; sd by each of both people
lists       the same of lists of as many genuine as impostor pairs (the column people): of people who are in
            one pair only (`alone`), of 60, or drawn as LFW's, genuine ones of 1,680 people, others of 5,749
search      threshold of an FPIR, and FNIR there; searches without a mate of other people, or of the same
sets        rank-1, mean of 3 sets of distractors, with chances by person and by search, alike in all sets
difference  of two models on the same searches
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from scipy.special import ndtr, ndtri

from eval.intervals import difference_by_subject, subject_interval, wilson
from eval.search_statistics import leave_one_out, open_set_point
from eval.statistics import roc, tar_at_far
from eval.threshold_intervals import FalseShare, ListedPairs, crossed, tar_intervals
from tests.benchmarks.people_of_pairs import people_of_pairs

KINDS = ("alike", "LFW")
Ends = tuple[float, float]
Result = dict[str, tuple[float, Ends]]
"""Name of an interval -> the truth, and its ends."""


def photos_of(kind: str, people: int, generator: np.random.Generator) -> np.ndarray:
    """How many photos each person has, (people,)."""
    if kind == "alike":
        return generator.integers(2, 9, people)
    return np.clip((1 + 2 * generator.pareto(1.2, size=people)).astype(int), 2, 60)


def genuine_of(
    photos: np.ndarray, level: np.ndarray, generator: np.random.Generator, mean: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all pairs of one person's photos, and whose they are. level (people,): of impostors."""
    person = np.repeat(np.arange(len(photos)), photos)
    first, second = leave_one_out(person)
    owner = person[first[first < second]]
    own = -0.5 * level + math.sqrt(0.75) * generator.standard_normal(len(photos))
    noise = math.sqrt(1 - 0.4**2) * generator.standard_normal(len(owner))
    return mean + 0.4 * own[owner] + noise, owner


def at_far(
    impostor: np.ndarray,
    genuine: np.ndarray,
    owner: np.ndarray,
    far: float,
    mean: float,
    false_at: Callable[[float, float], FalseShare],
) -> Result:
    both = np.concatenate([genuine, impostor])
    curve = roc(both, np.arange(len(both)) < len(genuine))
    point = tar_at_far(curve, far, len(impostor))
    threshold = math.inf if point.threshold is None else point.threshold
    accepted, share = genuine >= threshold, point.false_accepts / len(impostor)
    sure = tar_intervals(point, curve, accepted, owner, false_at(threshold, share))
    true_threshold, tar = -ndtri(far), float(ndtr(ndtri(far) + mean))
    low, high = sure.threshold
    return {
        "threshold": (true_threshold, (low, math.inf if high is None else high)),
        "TAR": (tar, sure.tar),
        "kept": (tar, subject_interval(accepted, owner)),
        "FAR, independent": (float(ndtr(-threshold)), wilson(share, len(impostor))),
    }


def megaface(generator: np.random.Generator, people: int, kind: str, sds: tuple, far: float) -> Result:
    distractors, mean = 500, 3.5
    photos, level = photos_of(kind, people, generator), generator.standard_normal(people)
    person = np.repeat(np.arange(people), photos)
    by_person, by_distractor, by_both = sds
    scores = by_person * level[person][:, None] + by_distractor * generator.standard_normal(distractors)
    scores += by_both * generator.standard_normal((people, distractors))[person]
    rest = math.sqrt(1 - sum(sd**2 for sd in sds))
    scores += rest * generator.standard_normal(scores.shape)
    genuine, owner = genuine_of(photos, level, generator, mean)

    def false_at(threshold: float, share: float) -> FalseShare:
        probe, distractor = np.nonzero(scores >= threshold)
        return crossed(share, person[probe], distractor, photos, distractors)

    return at_far(scores.ravel(), genuine, owner, far, mean, false_at)


def pairs(generator: np.random.Generator, people: int, kind: str, sds: tuple, far: float) -> Result:
    mean, (by_person,) = 3.5, sds
    photos, level = photos_of(kind, people, generator), generator.standard_normal(people)
    person = np.repeat(np.arange(people), photos)
    first, second = np.triu_indices(len(person), 1)
    first, second = person[first], person[second]
    first, second = first[first != second], second[first != second]
    scores = by_person * (level[first] + level[second])
    scores += math.sqrt(1 - 2 * by_person**2) * generator.standard_normal(len(first))
    genuine, owner = genuine_of(photos, level, generator, mean)
    listed = ListedPairs(first, second, people)
    return at_far(scores, genuine, owner, far, mean, lambda t, _: listed.accepted(scores >= t))


def lists(generator: np.random.Generator, count: int, kind: str, sds: tuple, far: float) -> Result:
    mean, (by_person,) = 5.0, sds
    owner, first, second, people = people_of_pairs(kind, count, generator)
    level = generator.standard_normal(people)
    scores = by_person * (level[first] + level[second])
    scores += math.sqrt(1 - 2 * by_person**2) * generator.standard_normal(count)
    genuine = mean + 0.4 * (-0.5 * level + math.sqrt(0.75) * generator.standard_normal(people))[owner]
    genuine += math.sqrt(1 - 0.4**2) * generator.standard_normal(count)
    listed = ListedPairs(first, second, people)
    return at_far(scores, genuine, owner, far, mean, lambda t, _: listed.accepted(scores >= t))


def search(generator: np.random.Generator, people: int, kind: str, sds: tuple, fpir: float) -> Result:
    mean, (own,), same = 3.5, sds, kind.endswith(", same people")
    photos = photos_of(kind.split(",")[0], people, generator)
    subject, level = np.repeat(np.arange(people), photos), generator.standard_normal(people)
    highest = own * level[subject] + math.sqrt(1 - own**2) * generator.standard_normal(len(subject))
    mate_level = -0.5 * level + math.sqrt(0.75) * generator.standard_normal(people)
    mates = mean + 0.4 * mate_level[subject] + math.sqrt(1 - 0.16) * generator.standard_normal(len(subject))
    whose = subject if same else subject + people
    none = np.zeros(len(mates), dtype=int)
    cosines = mates / 10, highest / 10  # as 1 is the highest threshold
    point = open_set_point(cosines[0], none, subject, cosines[1], whose, fpir)
    fnir = float(ndtr(-ndtri(fpir) - mean))
    return {
        "threshold": (-ndtri(fpir) / 10, point.threshold_interval),
        "FNIR": (fnir, point.fnir_interval),
        "kept": (fnir, subject_interval(cosines[0] < point.threshold, subject)),
        "FPIR, independent": (
            float(ndtr(-10 * point.threshold)),
            wilson(point.false_positives / len(highest), len(highest)),
        ),
    }


def sets(generator: np.random.Generator, people: int, kind: str, sds: tuple, share: float) -> Result:
    by_person, by_search = sds
    photos = photos_of(kind, people, generator)
    subject = np.repeat(np.arange(people), photos * (photos - 1))
    level = by_person * generator.standard_normal(people)[subject]
    level += by_search * generator.standard_normal(len(subject))
    rest = math.sqrt(1 - by_person**2 - by_search**2)
    won = level + rest * generator.standard_normal((3, len(subject))) < ndtri(share)
    return {
        "mean": (share, subject_interval(won.mean(axis=0), subject)),
        "independent": (share, wilson(float(won.mean()), len(subject))),
    }


def difference(generator: np.random.Generator, people: int, kind: str, sds: tuple, share: float) -> Result:
    (by_person,), better = sds, min(1.0, 1.02 * share)
    photos = photos_of(kind, people, generator)
    subject = np.repeat(np.arange(people), photos)
    common = generator.standard_normal(len(subject)) / 2  # a search that is hard for both
    right = []
    for chance in (share, better):
        level = by_person * generator.standard_normal(people)[subject]
        noise = math.sqrt(0.75 - by_person**2) * generator.standard_normal(len(subject))
        right.append(common + level + noise < ndtri(chance))
    found = difference_by_subject(right[0], right[1], subject)
    return {"difference": (better - share, found.interval)}


PARTS = {
    "megaface": (
        megaface,
        product((20, 80), KINDS, ((0.2, 0.1, 0.3), (0.4, 0.1, 0.4), (0.1, 0.4, 0.3)), (1e-2, 1e-3, 1e-4)),
    ),
    "pairs": (pairs, product((40, 100), KINDS, ((0.1,), (0.3,)), (1e-2, 1e-3, 1e-4))),
    "lists": (
        lists,
        product(
            (250, 3000), ("alone", "60 people", "LFW"), ((0.1,), (0.3,), (0.5,)), (1e-1, 1e-2, 1e-3, 1e-4)
        ),
    ),
    "search": (
        search,
        product(
            (20, 80, 400),
            (*KINDS, *(f"{kind}, same people" for kind in KINDS)),
            ((0.3,), (0.7,)),
            (0.1, 0.01),
        ),
    ),
    "sets": (sets, product((20, 80), KINDS, ((0.3, 0.6), (0.6, 0.6)), (0.5, 0.9, 0.99))),
    "difference": (difference, product((20, 80, 400), KINDS, ((0.3,), (0.7,)), (0.5, 0.9, 0.98))),
}


def rows(part: str, draws: int) -> Iterator[str]:
    simulate, settings = PARTS[part]
    for people, kind, sds, share in settings:
        seed = [people, len(kind), round(100 * sum(sds)), round(1e4 * share)]
        generator = np.random.default_rng(seed)
        drawn = [simulate(generator, people, kind, sds, share) for _ in range(draws)]
        cells = []
        for name in drawn[0]:
            truth, ends = zip(*(each[name] for each in drawn), strict=True)
            low, high = np.array(ends).T
            above, below = np.mean(np.array(truth) > high), np.mean(np.array(truth) < low)
            beside = f"+{100 * above:.1f} -{100 * below:.1f}, {np.median(high - low):.3f}"
            cells.append(f"{name} {100 * (1 - above - below):.1f} ({beside})")
        spread = ", ".join(f"{sd:g}" for sd in sds)
        yield f"| {part} | {people} {kind} | {spread} | {share:g} | " + " | ".join(cells) + " |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--draws", type=int, default=1000)
    arguments.add_argument("--only", choices=list(PARTS))
    given = arguments.parse_args()
    print("| part | people | sd | share | intervals: covered (truth above, below; median width) |")
    print("|---|---|---|---|---|")
    for part in PARTS:
        if given.only in (None, part):
            for row in rows(part, given.draws):
                print(row, flush=True)


if __name__ == "__main__":
    main()
