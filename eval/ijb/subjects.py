"""What the pairs and searches of each subject come to: counts to compare models by, and TAR by group.

Shapes: P genuine pairs, M searches with a mate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..groups import Groups
from ..identify.numbers import Searches, nonmated_of
from ..intervals import interval_of_counts
from ..search_statistics import missed
from ..threshold_intervals import ERROR_DIGITS


def counts_of_pairs(
    owner: np.ndarray, accepted: Sequence[np.ndarray], errors: Sequence[np.ndarray]
) -> dict[str, list]:
    """owner (P,): the pairs' subjects; accepted: of each FAR, whether they are, (P,); errors: likewise, what
    each of these subjects, in rising order, adds to the FAR's error, relative to its standard deviation."""
    subject, who = np.unique(owner, return_inverse=True)
    return {
        "subject": subject.tolist(),
        "pairs": np.bincount(who).tolist(),
        "accepted": [_of_each(one, who) for one in accepted],
        "far_error": [np.round(each, ERROR_DIGITS).tolist() for each in errors],
    }


def counts_of_searches(searches: Searches, open_set: Mapping[str, Any]) -> dict[str, list]:
    """Of the searches with a mate: how many find it first, and how many miss it at each FPIR. Of those that
    stand for unknown people: how many return somebody at each FPIR."""
    mated, without = searches.only(searches.mated), searches.only(nonmated_of(searches))
    subject, who = np.unique(mated.people, return_inverse=True)
    unknown, whose = np.unique(without.people, return_inverse=True)
    thresholds = [point["threshold_cosine"] for point in open_set["points"]]
    lost = [missed(mated.mate_score, mated.above, at, open_set["rank"]) for at in thresholds]
    return {
        "subject": subject.tolist(),
        "searches": np.bincount(who).tolist(),
        "first": _of_each(mated.above < 1, who),
        "missed": [_of_each(one, who) for one in lost],
        "unknown": unknown.tolist(),
        "searches_of_unknown": np.bincount(whose).tolist(),
        "returned": [_of_each(without.highest >= at, whose) for at in thresholds],
    }


def _of_each(true: np.ndarray, who: np.ndarray) -> list[int]:
    return np.bincount(who, true).astype(int).tolist()


def pairs_by_group(verification: Mapping[str, Any], groups: Groups) -> dict[str, Any] | None:
    """TAR of each group of subjects, at the thresholds of all pairs; None where subjects are not known."""
    counts, points = verification["by_subject"], verification["tar_at_far"]
    if counts is None:
        return None
    of = [groups.of.get(str(subject), [""] * len(groups.columns)) for subject in counts["subject"]]
    pairs, accepted = np.array(counts["pairs"]), np.array(counts["accepted"])
    columns = []
    for column, name in enumerate(groups.columns):
        values = np.array([groups_of[column] for groups_of in of])
        rows = []
        for value in sorted(set(values.tolist()), key=lambda value: (not value, value)):
            own = values == value
            shares = [
                {
                    "share": float(one[own].sum() / pairs[own].sum()),
                    "interval": list(interval_of_counts(one[own], pairs[own])),
                }
                for one in accepted
            ]
            people, number = int(own.sum()), int(pairs[own].sum())
            rows.append({"group": value or None, "people": people, "pairs": number, "tar": shares})
        columns.append({"name": name, "groups": rows})
    return {"fars": [at["far"] for at in points], "columns": columns}
