"""Numbers with what they count, and what a value is, as people say it."""

from __future__ import annotations

PLURALS = {
    "identity": "identities",
    "person": "people",
    "class": "classes",
    "bias": "biases",
    "search": "searches",
    "process": "processes",
}


def plural(thing: str) -> str:
    """`photos`, `people`: what `counted` writes for more than one."""
    return PLURALS.get(thing, thing + "s")


def counted(number: int, thing: str) -> str:
    """`1 photo`, `1,200 photos`, `2 people`; of several words, the first is counted: `2 crops to drop`."""
    first, space, rest = thing.partition(" ")
    return f"{number:,} {first if number == 1 else plural(first)}{space}{rest}"


def a_kind(value: object) -> str:
    """What a file's value is: `a text`, `a list`, `a number`; `a Tensor` of a class that has no such word."""
    kinds = {str: "a text", list: "a list", tuple: "a list", dict: "a group", bool: "a yes or no"}
    kinds |= {int: "a number", float: "a number", type(None): "nothing"}
    return kinds.get(type(value), f"a {type(value).__name__}")
