"""How often the intervals by person hold, and what the larger one of two p-values finds where nothing is.

    python docs/results/does_mhe_help/coverage.py

People are drawn with replacement from those of the first study's searches, each with all gains that the
study saw, averaged over its seeds: the true difference is then what the study saw. The second number is of
normal differences, as large by seed as by person, of six seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import stats

from eval.study.comparisons import paired
from eval.study.kept import read_kept
from eval.study.numbers import over_searches
from eval.study.spec import load_study

DRAWS = 400


def main() -> None:
    random = np.random.default_rng(0)
    study, _ = load_study("truth_faces_real512")
    kept = read_kept(Path(__file__).parent / "real512")
    person = kept.subjects["searches"][:, 0]
    searches_of = [np.flatnonzero(person == each) for each in np.unique(person)]
    for arm in list(study.arms)[1:]:
        both = paired(kept.rows, arm, study.against(arm))
        gains = [
            mine.right["searches"].astype(int) - yours.right["searches"].astype(int) for mine, yours in both
        ]
        gain, held = np.mean(gains, axis=0), 0
        for _ in range(DRAWS):
            drawn = [searches_of[each] for each in random.integers(0, len(searches_of), len(searches_of))]
            whose = np.repeat(np.arange(len(drawn)), [len(each) for each in drawn])
            found = over_searches(gain[np.concatenate(drawn)], whose)
            held += found.low <= gain.mean() <= found.high
        print(f"{arm}: the 95 % interval by person holds in {100 * held / DRAWS:.1f} % of {DRAWS} draws")
    seeds = 6
    seen = random.normal(0, np.sqrt(seeds), (100_000, seeds)) + random.normal(0, 1, (100_000, 1))
    by_seed = np.asarray(stats.ttest_1samp(seen, 0, axis=1)[1])
    by_person = 2 * stats.norm.sf(np.abs(seen.mean(1)))
    false = np.mean(np.maximum(by_seed, by_person) < 0.05)
    print(f"the larger p-value is below .05 where nothing is, both errors being equal: {100 * false:.1f} %")


if __name__ == "__main__":
    main()
