"""Who is verified, in which fold, and with how many pairs: by numbers of photos, without looking at any.

People of two photos or more are drawn at random to be verified. They are dealt to folds, nobody into two
where there are two people for each fold. So that nobody's many photos decide, the default number of pairs
stops where one person would give more than twice an even share. Which photos are paired: pairing.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from sphereface_plus.data import streams
from sphereface_plus.words import counted

from .errors import PrepError
from .pairing import Photo, genuine_pairs, impostor_pairs

MOST_PEOPLE, MOST_FOLDS, MOST_PAIRS = 1000, 10, 300
"""By default, at most: people who are verified, folds, pairs of each kind in a fold (LFW's numbers)."""
MOST_USES = 4
"""By default, at most: pairs of each kind that a photo is in, on average over a fold."""
LEAST_PAIRS = 10
"""Of each kind in all: fewer say nothing."""
TO_TRAIN = 2
"""People who must be left: a classifier needs two."""


@dataclass(frozen=True)
class Pair:
    first: Photo
    second: Photo
    genuine: bool
    fold: int


@dataclass(frozen=True)
class Choice:
    """Pairs in the order of their folds, genuine ones first in each."""

    people: list[int]
    """Who is in a pair, in order: few pairs may need fewer people than were chosen."""
    pairs: list[Pair]
    num_folds: int
    disjoint: bool
    """Whether nobody is in two folds."""

    @property
    def most_of_a_person(self) -> int:
        """Genuine pairs of the person with the most."""
        return max(Counter(pair.first[0] for pair in self.pairs if pair.genuine).values())

    @property
    def most_of_a_photo(self) -> int:
        """Pairs of the photo with the most."""
        return max(Counter(photo for pair in self.pairs for photo in (pair.first, pair.second)).values())


def choose(
    photos: Sequence[int],
    *,
    share: float | None = None,
    folds: int | None = None,
    pairs: int | None = None,
    seed: int = 0,
) -> Choice:
    """photos: how many each person has that can be compared; a person of fewer than two is never verified.

    share: of the people of two photos or more, those who are verified; by default a fifth, but at least 4
    and at most MOST_PEOPLE, and up to half where that gives too few pairs.
    folds: by default as many as have three people each, 2 to MOST_FOLDS; MOST_FOLDS where fewer than four
    people are verified, who are then in several folds.
    pairs: of each kind in each fold; by default as many as there can be without one person's deciding, at
    most MOST_PAIRS, and without photos that come again and again (MOST_USES).
    Raises PrepError, with what is needed, where there are too few people or photos for it.
    """
    able = [person for person, number in enumerate(photos) if number > 1]
    random = streams.generator(seed, streams.VERIFIED_PEOPLE)
    order = [able[index] for index in random.permutation(len(able)).tolist()]
    for number in _numbers(len(able), len(photos), share):
        plan = _plan(order[:number], photos, folds, pairs)
        if plan.each * plan.folds >= LEAST_PAIRS:
            break
    else:
        raise PrepError(
            f"the {counted(len(plan.people), 'person')} to verify have "
            f"{counted(plan.each * plan.folds, 'pair')} of each kind for {counted(plan.folds, 'fold')}, "
            f"{LEAST_PAIRS} are needed; give more photos of each person, or more people"
        )
    found = []
    for place, group in enumerate(plan.groups):
        random = streams.generator(seed, streams.PAIRED_PHOTOS, place)
        orders = {person: random.permutation(photos[person]).tolist() for person in group}
        total = plan.each * plan.shared
        genuine, impostor = genuine_pairs(orders, total), impostor_pairs(orders, total)
        for part in range(plan.shared):
            fold = place + part  # one group in several folds, or one fold a group
            for kind, of_kind in ((True, genuine), (False, impostor)):
                found += [Pair(one, other, kind, fold) for one, other in of_kind[part :: plan.shared]]
    people = sorted({photo[0] for pair in found for photo in (pair.first, pair.second)})
    return Choice(people, found, plan.folds, plan.disjoint)


def _numbers(able: int, everybody: int, share: float | None) -> list[int]:
    """How many people may be verified, the first choice first; the others where it gives too few pairs."""
    most = min(able, everybody - TO_TRAIN)
    if most < 2:
        raise PrepError(
            f"four people are needed, two of them with two photos or more to verify, and two to train on; "
            f"there are {counted(everybody, 'person')}, {able:,} with two photos or more"
        )
    if share is None:
        half = min(max(2, able // 2), most)
        first = min(max(able // 5, 4), half, MOST_PEOPLE)
        return [first, *(first << turn for turn in range(1, 4) if first << turn < half), half]
    number = round(share * able)
    if not 2 <= number <= most:
        raise PrepError(
            f"a share of {share:g} of {counted(able, 'person')} with two photos or more is {number:,}; it "
            f"must be 2 to {most:,}, so that there are people to verify, and two to train on"
        )
    return [number]


@dataclass(frozen=True)
class _Plan:
    people: list[int]
    groups: list[list[int]]
    """People of each fold; or all together, where there are too few for each fold to have its own."""
    folds: int
    each: int
    """Pairs of each kind in each fold."""

    @property
    def disjoint(self) -> bool:
        return len(self.groups) == self.folds

    @property
    def shared(self) -> int:
        """Folds that a group's pairs are cut into."""
        return self.folds // len(self.groups)


def _plan(people: list[int], photos: Sequence[int], folds: int | None, asked: int | None) -> _Plan:
    """With as many folds as there may be, or, where they are not asked for, fewer if it has too few pairs."""
    number = len(people)
    most = folds or (max(2, min(MOST_FOLDS, number // 3)) if number >= 4 else MOST_FOLDS)
    for fewer in [most] if folds or asked else range(most, 1, -1):
        groups = _dealt(people, photos, fewer) if number >= 2 * fewer else [people]
        counts = [[photos[person] for person in group] for group in groups]
        plan = _Plan(people, groups, fewer, _num_pairs(counts, asked, fewer))
        if plan.each * plan.folds >= LEAST_PAIRS:
            break
    return plan


def _dealt(people: Sequence[int], photos: Sequence[int], folds: int) -> list[list[int]]:
    """Groups of people, as equal in number and in photos as may be: there and back, by number of photos."""
    groups: list[list[int]] = [[] for _ in range(folds)]
    order = sorted(people, key=lambda person: -photos[person])  # people are in random order, which stays
    for turn, person in enumerate(order):
        lap, place = divmod(turn, folds)
        groups[place if lap % 2 == 0 else folds - 1 - place].append(person)
    return groups


def _num_pairs(groups: Sequence[Sequence[int]], asked: int | None, folds: int) -> int:
    """Pairs of each kind in each fold. groups: numbers of photos of each group's people."""
    genuine = [[comb(number, 2) for number in group] for group in groups]
    impostor = [(sum(group) ** 2 - sum(number**2 for number in group)) // 2 for group in groups]
    shared = folds // len(groups)
    most = min(*map(sum, genuine), *impostor) // shared
    if asked is not None and asked > most:
        raise PrepError(
            f"{counted(asked, 'pair')} of each kind in each of {folds} folds are more than the photos of the "
            f"people to verify have, at most {most:,}; lower --pairs or --folds, or raise --share"
        )
    enough = [min(MOST_PAIRS * shared, MOST_USES * sum(group) // 2) for group in groups]
    fair = [_fair(capacities, total) // shared for capacities, total in zip(genuine, enough, strict=True)]
    return asked or min(most, *fair)


def _fair(capacities: Sequence[int], most: int) -> int:
    """How many genuine pairs people with these many can give, at most `most`, before one of them gives more
    than twice an even share."""
    total, level = 0, 1
    while total < min(most, sum(capacities)):
        raised = sum(min(capacity, level) for capacity in capacities)
        if level > 1 and level * len(capacities) > 2 * raised:
            break
        total, level = raised, level + 1
    return min(total, most)
