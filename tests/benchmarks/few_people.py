"""How sure `compare` and a report's interval are where few people are in many pairs, by simulation.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/few_people.py [--draws 2000]

600 pairs, half of them genuine, of people drawn evenly; two models of one accuracy, whose errors are those of
interval_coverage.py, each with its own effects of people (sd). `compare` and `McNemar`: how often p < 0.05,
in %, which should be 5; `leaves out 0`: how often the interval of the difference does. `t` and `normal`: how
often the accuracy's interval, with Student's quantile (as in a report) or the normal one, covers the truth,
in %, which should be 95. Seen with 2,000 draws:

    | errors expected | people | sd | compare | McNemar | leaves out 0 | t | normal |
    |---|---|---|---|---|---|---|---|
    | 60 | 6 | 1 | 6.6 | 51.3 | 9.6 | 85.9 | 76.0 |
    | 60 | 6 | 1.5 | 5.4 | 62.7 | 9.2 | 85.0 | 75.7 |
    | 60 | 10 | 1 | 5.1 | 41.1 | 8.2 | 89.5 | 84.8 |
    | 60 | 10 | 1.5 | 4.3 | 53.4 | 8.1 | 89.4 | 85.5 |
    | 60 | 20 | 1 | 4.1 | 28.1 | 6.7 | 91.7 | 89.5 |
    | 60 | 20 | 1.5 | 4.0 | 40.5 | 7.3 | 92.0 | 89.5 |
    | 60 | 60 | 1 | 4.2 | 12.8 | 5.5 | 93.8 | 93.5 |
    | 60 | 60 | 1.5 | 4.2 | 21.5 | 6.7 | 93.0 | 92.4 |
    | 60 | 1,000 | 1 | 3.6 | 4.4 | 5.1 | 95.5 | 95.5 |
    | 60 | 1,000 | 1.5 | 4.1 | 5.0 | 5.1 | 95.9 | 95.9 |
    | 60 | 4,000 | 1 | 4.0 | 4.3 | 5.2 | 94.9 | 94.9 |
    | 60 | 4,000 | 1.5 | 4.0 | 4.4 | 5.3 | 95.0 | 95.0 |
    | 12 | 6 | 1 | 2.9 | 24.1 | 5.9 | 93.5 | 82.9 |
    | 12 | 6 | 1.5 | 1.8 | 37.1 | 5.8 | 87.2 | 73.7 |
    | 12 | 10 | 1 | 2.1 | 16.2 | 5.4 | 92.2 | 87.1 |
    | 12 | 10 | 1.5 | 1.4 | 28.3 | 5.5 | 88.1 | 82.2 |
    | 12 | 20 | 1 | 2.8 | 10.3 | 5.7 | 95.3 | 92.2 |
    | 12 | 20 | 1.5 | 1.7 | 20.7 | 5.9 | 91.1 | 87.5 |
    | 12 | 60 | 1 | 2.6 | 5.8 | 5.8 | 94.3 | 94.2 |
    | 12 | 60 | 1.5 | 2.8 | 9.6 | 5.9 | 92.8 | 91.8 |
    | 12 | 1,000 | 1 | 3.0 | 3.2 | 4.3 | 94.7 | 94.7 |
    | 12 | 1,000 | 1.5 | 3.2 | 3.9 | 4.9 | 95.4 | 95.3 |
    | 12 | 4,000 | 1 | 3.5 | 3.5 | 4.6 | 94.8 | 94.8 |
    | 12 | 4,000 | 1.5 | 2.5 | 2.6 | 4.4 | 93.8 | 93.8 |
"""

from __future__ import annotations

import argparse

import numpy as np
from interval_coverage import constant_of  # beside this file
from scipy.special import expit

from eval.intervals import accuracy_interval, design_effect, few_people_factor
from eval.paired_difference import paired_difference
from eval.people import People

PAIRS, SHARES, PEOPLE, SDS = 600, (0.1, 0.02), (6, 10, 20, 60, 1000, 4000), (1.0, 1.5)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--draws", type=int, default=2000)
    draws = arguments.parse_args().draws
    genuine, fold = np.arange(PAIRS) < PAIRS // 2, np.arange(PAIRS) % 10
    print("| errors expected | people | sd | compare | McNemar | leaves out 0 | t | normal |")
    print("|---|---|---|---|---|---|---|---|")
    for share in SHARES:
        for count in PEOPLE:
            for sd in SDS:
                generator = np.random.default_rng([count, int(10 * sd)])
                constants = [constant_of(share, sd), constant_of(share, sd * np.sqrt(2))]
                found = np.zeros(5)
                for _ in range(draws):
                    first = generator.integers(0, count, PAIRS)
                    other = (first + generator.integers(1, count, PAIRS)) % count
                    people = People(first, np.where(genuine, first, other), count, True, "drawn")
                    right = []
                    for _ in range(2):
                        own, among = sd * generator.normal(size=(2, count))
                        impostor = constants[1] + among[first] + among[other]
                        logit = np.where(genuine, constants[0] + own[first], impostor)
                        right.append(generator.random(PAIRS) >= expit(logit))
                    test = paired_difference(right[0], right[1], fold, people, resamples=1000)
                    effect = design_effect(right[0], fold, people)
                    ends = [
                        accuracy_interval(right[0], fold, effect * few_people_factor(people)),
                        accuracy_interval(right[0], fold, effect),
                    ]
                    found += [
                        test.p_value < 0.05,
                        test.mcnemar_p_value < 0.05,
                        not test.interval[0] <= 0 <= test.interval[1],
                        *(low <= 1 - share <= high for low, high in ends),
                    ]
                cells = " | ".join(f"{100 * each:.1f}" for each in found / draws)
                print(f"| {share * PAIRS:g} | {count:,} | {sd:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
