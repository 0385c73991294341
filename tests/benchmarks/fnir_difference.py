"""How often two models of one quality differ in FNIR at an FPIR with p < .05, in %, by simulation.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/fnir_difference.py [--draws 400]

400 people are searched for 5 times each. Half of the variance of the mates' scores is the person's, and half
of that of the others' scores in searches without a mate, where one person has several. `alike`: the share of
all variance that both models have in common. `kept`: the test that takes both thresholds as given. `better`:
how often the second model is found better if its mates score higher by a quarter of a standard deviation.
"""

from __future__ import annotations

import argparse
import math
from itertools import product

import numpy as np

from eval.identify.fnir_difference import Scores, fnir_difference
from eval.intervals import difference_by_subject
from eval.search_statistics import missed, open_set_point

PEOPLE, SEARCHES = 400, 5
UNKNOWN = (
    (100, 100, 0.1),
    (1000, 1000, 0.1),
    (1000, 50, 0.1),
    (200, 200, 0.01),
    (1000, 1000, 0.01),
    (2000, 200, 0.01),
    (4000, 4000, 0.01),
    (4000, 4000, 0.001),
)
"""Searches without a mate, of how many people, FPIR."""


def scores(
    generator: np.random.Generator, unknown: int, unknown_people: int, alike: float, better: float = 0.0
) -> tuple[list[Scores], np.ndarray, np.ndarray]:
    """Of two models, and whose the searches are with a mate and without. better: by how many standard
    deviations the second one's mates score higher."""
    people = np.repeat(np.arange(PEOPLE), SEARCHES)
    strangers = PEOPLE + np.arange(unknown) % unknown_people
    several = 0.5 if unknown_people < unknown else 0.0
    common = (
        generator.standard_normal(PEOPLE + unknown_people),
        generator.standard_normal(len(people) + unknown),
    )
    models = []
    for gain in (0.0, better):
        of_people, of_search = (
            math.sqrt(alike) * each + math.sqrt(1 - alike) * generator.standard_normal(len(each))
            for each in common
        )
        mates = math.sqrt(0.5) * (of_people[people] + of_search[: len(people)])
        highest = math.sqrt(several) * of_people[strangers]
        highest += math.sqrt(1 - several) * of_search[len(people) :]
        none = np.zeros(len(people), dtype=int)
        models.append(Scores(0.5 + 0.12 * (mates + gain), none, 0.25 + 0.06 * highest))
    return models, people, strangers


def kept(models: list[Scores], people: np.ndarray, strangers: np.ndarray, fpir: float) -> float:
    """p with either threshold taken as given."""
    lost = []
    for each in models:
        point = open_set_point(each.mate_score, each.above, people, each.highest, strangers, fpir)
        lost.append(missed(each.mate_score, each.above, point.threshold, None))
    return difference_by_subject(lost[0], lost[1], people).p_value


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--draws", type=int, default=400)
    draws = arguments.parse_args().draws
    print("| without a mate | of people | FPIR | alike | p < .05 | kept | better |")
    print("|---|---|---|---|---|---|---|")
    for (unknown, of, fpir), alike in product(UNKNOWN, (0.0, 0.5, 0.8, 0.95)):
        generator = np.random.default_rng([unknown, of, round(1e4 * fpir), round(100 * alike)])
        found = np.zeros(3)
        for _ in range(draws):
            models, people, strangers = scores(generator, unknown, of, alike)
            found[0] += fnir_difference(models[0], models[1], people, strangers, fpir, None).p_value < 0.05
            found[1] += kept(models, people, strangers, fpir) < 0.05
            models, people, strangers = scores(generator, unknown, of, alike, better=0.25)
            found[2] += fnir_difference(models[0], models[1], people, strangers, fpir, None).interval[1] < 0
        cells = " | ".join(f"{100 * each / draws:.1f}" for each in found)
        print(f"| {unknown:,} | {of:,} | {fpir:g} | {alike:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
