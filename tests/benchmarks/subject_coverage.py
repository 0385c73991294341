"""How often a 95 % interval by subject covers the true share, by simulation.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/subject_coverage.py [--draws 4000]

`equal`: 20 searches a subject; `LFW`: 2 to 200, a few with many; `MegaFace`: those of 10 to 90 images with
each other, a tenth of them. The chance that a search is true is the subject's own, from a beta distribution
whose mean is the share that is to be covered and whose spread correlates two searches of a subject by the
number given. `by subject` is eval.intervals.interval_of_counts; `nobody added` the same without the subjects
that it adds; `independent` is Wilson's interval of independent searches. `width`: mean width of the first.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np

from eval import intervals

SUBJECTS, SHARES, CORRELATIONS = (10, 20, 80, 400), (0.5, 0.1, 0.01), (0.02, 0.1, 0.4)
KINDS = ("equal", "LFW", "MegaFace")


def searches_of(kind: str, subjects: int, generator: np.random.Generator) -> np.ndarray:
    """How many searches each subject has, (subjects,)."""
    if kind == "equal":
        return np.full(subjects, 20)
    if kind == "LFW":
        return np.clip((1 + 2 * generator.pareto(1.2, size=subjects)).astype(int), 2, 200)
    images = generator.integers(10, 90, subjects)
    return images * (images - 1) // 10


def intervals_of(true: np.ndarray, searches: np.ndarray) -> list[tuple[float, float]]:
    ours = intervals.interval_of_counts(true, searches)
    added, intervals.ADDED_SUBJECTS = intervals.ADDED_SUBJECTS, 1e-9
    without = intervals.interval_of_counts(true, searches)
    intervals.ADDED_SUBJECTS = added
    count = int(searches.sum())
    return [ours, without, intervals.wilson(true.sum() / count, count)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--draws", type=int, default=4000)
    draws = arguments.parse_args().draws
    print("| subjects | searches | share | correlation | by subject | nobody added | independent | width |")
    print("|---|---|---|---|---|---|---|---|")
    for subjects, kind, share, correlation in product(SUBJECTS, KINDS, SHARES, CORRELATIONS):
        generator = np.random.default_rng([subjects, round(100 * share), round(100 * correlation)])
        spread = 1 / correlation - 1
        covered, width = np.zeros(3), 0.0
        for _ in range(draws):
            searches = searches_of(kind, subjects, generator)
            chance = generator.beta(share * spread, (1 - share) * spread, subjects)
            low, high = np.array(intervals_of(generator.binomial(searches, chance), searches)).T
            covered += (low <= share) & (share <= high)
            width += high[0] - low[0]
        cells = " | ".join(f"{100 * each:.1f}" for each in covered / draws)
        print(
            f"| {subjects} | {kind} | {share:g} | {correlation:g} | {cells} | {width / draws:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
