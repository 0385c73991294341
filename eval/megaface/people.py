"""What the searches of each person come to: counts to compare models by, and tables by person and by group.

Shapes: P probes, Q searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sphereface_plus.words import counted

from ..groups import Groups
from ..identify.groups import per_group
from ..identify.numbers import Searches, open_set, per_identity, reference
from ..intervals import FEW_PEOPLE
from ..photos import first_three
from ..threshold_intervals import ERROR_DIGITS
from .challenge import Found

LARGE = 0.1
"""Share of the searches; MegaFace's own people have some hundredths at most."""


def of_people(found: Found, people: np.ndarray, names: list[str], groups: Groups | None) -> dict[str, Any]:
    """Plain data. people (P,): whose the probes are, places in `names`.

    `by_person` counts, of each person, the searches and in how many the mate is first, in each set at each
    size, and the genuine pairs and how many are accepted at each FAR, with all distractors; `far_error` is
    what a person adds to a FAR's error, relative to its standard deviation (the rest is the distractors', or
    of people without a mate). The tables are of the first set with all distractors; their threshold is the
    one at which so many probes would have a distractor returned if their person were unknown.
    """
    searches = _searches(found, people)
    at = reference(open_set(searches)["points"])
    return {
        "by_person": _counts(found, people),
        "reference": {name: at[name] for name in ("fpir", "threshold_cosine", "resolution")},
        "per_identity": per_identity(searches, names),
        "per_group": None if groups is None else per_group(searches, names, groups, at),
    }


def uneven_words(numbers: Mapping[str, Any]) -> str | None:
    """Why intervals by person are wide, where they are: few people, or one with far more searches than
    others. numbers: of a report."""
    people, share = numbers["people"] - len(numbers["without_mate"]), numbers["largest_share"]
    if share >= max(LARGE, 2 / people):
        return f"one person has {100 * share:.0f} % of the searches, which makes the intervals wide"
    if people < FEW_PEOPLE:
        return f"{counted(people, 'person')} with a mate: so few make the intervals wide"
    return None


def without_mate(alone: Sequence[int], people: Sequence[str]) -> str:
    """Whom nobody can find, in words. alone: places in `people`, of those who have one probe."""
    names = first_three([people[person] for person in alone])
    if len(alone) == 1:
        return f"1 probe is its person's only one ({names}), has no mate and is not searched for"
    return (
        f"{len(alone):,} probes are their persons' only ones ({names}), have no mate and are not searched for"
    )


def _counts(found: Found, people: np.ndarray) -> dict[str, Any]:
    owner = people[found.probe]
    there, who = np.unique(owner, return_inverse=True)

    def of_each(true: np.ndarray, of: np.ndarray) -> list[int]:
        return np.bincount(of, true, len(there)).astype(int).tolist()

    once = found.probe < found.mate  # a pair is searched for from both of its ends
    points = found.numbers["verification"][-1]["tar_at_far"]
    thresholds = [np.inf if at["threshold_cosine"] is None else at["threshold_cosine"] for at in points]
    return {
        "person": there.tolist(),
        "searches": np.bincount(who).tolist(),
        "first": [[of_each(counts < 1, who) for counts in of_set.T] for of_set in found.counts],
        "pairs": np.bincount(who[once], minlength=len(there)).tolist(),
        "accepted": [of_each(found.mate_score[once] >= at, who[once]) for at in thresholds],
        "far_error": [np.round(parts[there], ERROR_DIGITS).tolist() for parts in found.far_errors],
    }


def _searches(found: Found, people: np.ndarray) -> Searches:
    """Those with a mate, and then each probe once as that of an unknown person, among distractors alone."""
    highest = found.nearest_score[:, 0]
    number = len(highest)
    return Searches(
        np.append(people[found.probe], people),
        np.append(found.mate_score, np.full(number, -np.inf)),
        np.append(found.above, np.zeros(number, dtype=np.int64)),
        np.append(highest[found.probe], highest),
        np.append(found.probe, np.arange(number)),
    )
