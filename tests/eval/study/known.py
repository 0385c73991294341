"""A study of rows whose answer is known: of four arms, one is better than the control."""

import numpy as np

from eval.study.kept import MADE_WITH, Kept, Row
from eval.study.spec import Study

STUDY = Study.model_validate(
    {
        "title": "A study",
        "start": "a.yaml",
        "arm": "b.yaml",
        "arms": {"control": {}, "better": {"ratio": 1}, "same": {}, "beside": {"against": "same"}},
        "contrasts": (("better", "beside"),),
        "seeds": 4,
        "notes": "A note.",
    }
)
SUBJECTS = {
    "pairs": np.stack([np.arange(200) % 10, np.arange(200), 200 + np.arange(200)], axis=1),
    "searches": np.arange(300)[:, None] // 3,
}


def rows_in(out):
    random = np.random.default_rng(0)
    found = Kept(out, subjects=dict(SUBJECTS))
    for seed in range(4):
        right = {kind: random.random(len(of)) < 0.5 for kind, of in SUBJECTS.items()}
        for arm in STUDY.arms:
            mine = dict(right)
            if arm == "better":  # one in five of what is wrong comes right
                mine = {kind: each | (random.random(len(each)) < 0.2) for kind, each in right.items()}
            numbers = {
                "accuracy": 100 * mine["pairs"].mean(),
                "rank_1": 100 * mine["searches"].mean(),
                "fnir": 50.0,
            }
            made_with = dict.fromkeys(MADE_WITH, "x") | {"seconds": "60"}
            found.rows.append(Row(arm, seed, made_with, numbers, mine))
    return found
