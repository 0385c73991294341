"""How often a report's 95 % interval covers the true accuracy, by simulation on LFW's own pairs.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/interval_coverage.py PAIRS [--draws 2000]

PAIRS is LFW's pairs.txt. The chance that a pair is decided wrongly has in its logit a constant, one for each
kind of pair, and an effect of each person on it, normal with standard deviation `sd`; a person's effects in
genuine and in impostor pairs are independent. Half of the expected errors are genuine pairs. The truth is the
mean over people never seen. `joined` knows people from the genuine pairs only, as for a .bin; `Wilson` takes
the pairs as independent; `bootstrap` resamples pairs within folds (percentiles of 2,000).
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from eval.intervals import accuracy_interval, design_effect
from eval.people import joined_by_pairs, people_of
from sphereface_plus.data.formats.pairs import read_pairs

ERRORS, SDS = (2, 10, 40, 600), (0.0, 1.0, 2.0)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(201)  # of the normal distribution
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def mean_chance(constant: float, sd: float) -> float:
    return float(WEIGHTS @ expit(constant + sd * NODES))


def constant_of(share: float, sd: float) -> float:
    return float(brentq(lambda constant: mean_chance(constant, sd) - share, -40, 5))


def bootstrap(correct: np.ndarray, fold: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    shares = [correct[fold == index] for index in np.unique(fold)]
    means = np.mean([generator.binomial(len(x), x.mean(), 2000) / len(x) for x in shares], axis=0)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("pairs")
    arguments.add_argument("--draws", type=int, default=2000)
    options = arguments.parse_args()
    pairs = read_pairs(options.pairs)
    known, joined = people_of(pairs), joined_by_pairs(pairs)
    genuine, count = pairs.genuine, known.count
    print(f"{len(pairs):,} pairs of {count:,} people ({joined.count:,} as joined), {options.draws:,} draws")
    print("| errors expected | sd | report | joined | Wilson | bootstrap | width to Wilson's |")
    print("|---|---|---|---|---|---|---|")
    for sd in SDS:
        for errors in ERRORS:
            generator = np.random.default_rng([errors, int(10 * sd)])
            share = errors / 2 / genuine.sum()
            constants = [constant_of(share, spread) for spread in (sd, sd * np.sqrt(2))]
            truth = 1 - errors / len(pairs)
            covered, widths = np.zeros(4), []
            for _ in range(options.draws):
                own, among = sd * generator.normal(size=(2, count))
                logit = np.where(
                    genuine,
                    constants[0] + own[known.first],
                    constants[1] + among[known.first] + among[known.second],
                )
                correct = generator.random(len(pairs)) >= expit(logit)
                intervals = [
                    accuracy_interval(correct, pairs.fold, design_effect(correct, pairs.fold, known)),
                    accuracy_interval(correct, pairs.fold, design_effect(correct, pairs.fold, joined)),
                    accuracy_interval(correct, pairs.fold),
                    bootstrap(correct, pairs.fold, generator),
                ]
                covered += [low <= truth <= high for low, high in intervals]
                widths.append(np.subtract(*intervals[0]) / np.subtract(*intervals[2]))
            cells = " | ".join(f"{100 * each:.1f}" for each in covered / options.draws)
            print(f"| {errors} | {sd:g} | {cells} | {np.mean(widths):.2f} |", flush=True)


if __name__ == "__main__":
    main()
