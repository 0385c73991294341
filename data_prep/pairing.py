"""Which photos of people are paired: no pair twice, nobody's photos much more than another's.

Genuine pairs go round the people, impostor pairs round the pairs of people, and both take a person's photos
in turn: matchings by the circle method, in which no photo comes again before all others had their turn. The
work grows with the number of photos and of the pairs that are wanted, not with that of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import comb

Photo = tuple[int, int]
"""(person, photo of that person), both from 0."""
Orders = dict[int, list[int]]
"""Each person's photos in the order of their turns."""


def genuine_pairs(orders: Orders, total: int) -> list[tuple[Photo, Photo]]:
    """`total` pairs, of each person as many as the others have, as far as the photos go round."""
    return [
        ((person, order[one]), (person, order[other]))
        for (person, order), number in zip(orders.items(), _quotas_of(orders, total), strict=True)
        for one, other in islice(matchings(len(order)), number)
    ]


def impostor_pairs(orders: Orders, total: int) -> list[tuple[Photo, Photo]]:
    """`total` pairs that go round the pairs of people, first of photos that no genuine pair has taken."""
    people = list(orders)
    turn = {person: 2 * q for person, q in zip(people, _quotas_of(orders, total), strict=True)}
    left = {person: 0 for person in people}
    taken: dict[tuple[int, int], set[tuple[int, int]]] = {}
    found: list[tuple[Photo, Photo]] = []
    while len(found) < total:
        for (
            person,
            order,
        ) in orders.items():  # in each lap one turn more, so that few photos do not come often
            left[person] += len(order)
        for one, other in ((people[i], people[j]) for i, j in matchings(len(people))):
            before = taken.setdefault((one, other), set())
            if not (left[one] and left[other]) or len(before) == len(orders[one]) * len(orders[other]):
                continue
            in_turn = (  # not itertools.product, which copies all photos first
                (first, second)
                for first in _from(orders[one], turn[one])
                for second in _from(orders[other], turn[other])
            )
            pair = next(pair for pair in in_turn if pair not in before)
            before.add(pair)
            found.append(((one, pair[0]), (other, pair[1])))
            for person in (one, other):
                turn[person] += 1
                left[person] -= 1
            if len(found) == total:
                break
    return found


def _quotas_of(orders: Orders, total: int) -> list[int]:
    return quotas([comb(len(order), 2) for order in orders.values()], total)


def _from(order: list[int], turn: int) -> Iterator[int]:
    """The photos in their order, from the one whose turn it is."""
    return (order[(turn + step) % len(order)] for step in range(len(order)))


def quotas(capacities: Sequence[int], total: int) -> list[int]:
    """`total` divided as evenly as the capacities allow; the first get one more where it does not divide."""
    low, high = 0, max(capacities)
    while low < high:  # the smallest level that yields the total
        level = (low + high) // 2
        enough = sum(min(capacity, level) for capacity in capacities) >= total
        low, high = (low, level) if enough else (level + 1, high)
    given = [min(capacity, low - 1) for capacity in capacities]
    rest = total - sum(given)
    for place, capacity in enumerate(capacities):
        if rest and capacity >= low:
            given[place] += 1
            rest -= 1
    return given


def matchings(number: int) -> Iterator[tuple[int, int]]:
    """All pairs of 0 .. number - 1, each once: matching after matching, by the circle method.

    In each matching everybody is in one pair; of an odd number, all but one.
    """
    even = number + number % 2
    for turn in range(even - 1):
        for step in range(even // 2):
            one, other = (turn + step) % (even - 1), (turn - step) % (even - 1)
            other = even - 1 if step == 0 else other
            if max(one, other) < number:
                yield one, other
