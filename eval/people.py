"""Whose photos a pair compares: a person in many pairs errs in many at once, which intervals must know."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sphereface_plus.data.formats.pairs import Pairs
from sphereface_plus.data.trained_on import person_of as folder_of

AGREEING = 0.99
"""Share of the pairs that must fit a way of reading people out of names; the others are a list's mistakes."""


@dataclass(frozen=True)
class People:
    """Persons of P pairs, as numbers 0 .. count - 1."""

    first: np.ndarray
    """int64 (P,): who is on the first photo."""
    second: np.ndarray
    """int64 (P,)."""
    count: int
    named: bool
    """Whether the photos' names say who they are; else persons are what genuine pairs hold together."""
    words: str
    """How they are known, for the report."""


def people_of(pairs: Pairs) -> People:
    """The persons of the pairs: by the photos' folders or names where these agree with the list's kinds, else
    by the genuine pairs alone.

    A folder (or a name without its number) is a person where genuine pairs lie in one and impostor pairs in
    two, in 99 of 100 pairs. Otherwise photos that genuine pairs join, directly or over others, are one
    person, and a person whose photos no chain of pairs joins counts as several.
    """
    way = _agreeing_way(pairs)
    if way is None:
        return joined_by_pairs(pairs)
    words, person_of = way
    first, second = ([person_of(key) for key in keys] for keys in (pairs.first, pairs.second))
    number = {name: row for row, name in enumerate(sorted({*first, *second}))}
    return People(_rows(first, number), _rows(second, number), len(number), True, f"by {words}")


def names_of(pairs: Pairs) -> dict[str, str | None]:
    """Photo key -> its person's name, by the same ways as people_of; by its folder where none of them agrees
    with the list. None for a photo that names nobody, as those of a .bin.

    Of several folders it is the last: set/Ann is called Ann.
    """
    way = _agreeing_way(pairs)
    if way is None:
        return {key: folder_of(key) for key in pairs.photos}
    names = {key: way[1](key) for key in pairs.photos}
    return {key: name.split("/")[-1] or None if name != key else None for key, name in names.items()}


def _agreeing_way(pairs: Pairs) -> tuple[str, Callable[[str], str]] | None:
    """How names tell the person of a photo, in words and as a function of its key; None where they do not."""
    ways: list[tuple[str, Callable[[str], str]]] = [("the photos' folders", _above(1))]
    for depth in range(2, 1 + max(key.count("/") for key in pairs.photos)):
        ways.append((f"the first {depth} folders of a photo's path", _above(depth)))
    ways.append(("the photos' names without their numbers", _without_number))
    for words, person_of in ways:
        same = np.array(
            [person_of(one) == person_of(other) for one, other in zip(pairs.first, pairs.second, strict=True)]
        )
        if np.mean(same == pairs.genuine) >= AGREEING:
            return words, person_of
    return None


def joined_by_pairs(pairs: Pairs) -> People:
    """The persons of the pairs, as far as genuine pairs tell them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row = {key: number for number, key in enumerate(pairs.photos)}
    first, second = _rows(pairs.first, row), _rows(pairs.second, row)
    ends = (first[pairs.genuine], second[pairs.genuine])
    joins = coo_array((np.ones(len(ends[0])), ends), shape=(len(row), len(row)))
    count, person = connected_components(joins, directed=False)
    person = person.astype(np.int64)
    words = "as far as genuine pairs join their photos, as the photos' names do not tell them"
    return People(person[first], person[second], int(count), False, words)


def _above(depth: int) -> Callable[[str], str]:
    def person(key: str) -> str:
        parts = key.split("/")
        return "/".join(parts[: min(depth, len(parts) - 1)]) or key

    return person


def _without_number(key: str) -> str:
    return re.sub(r"[_.\- ]*[0-9]+$", "", key)


def _rows(names: Sequence[str], number: dict[str, int]) -> np.ndarray:
    return np.array([number[name] for name in names], dtype=np.int64)
