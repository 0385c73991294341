"""Lines of LFW's pairs: `name n m`, two photos of one person, or `name n name m`, of two people."""

from __future__ import annotations

from sphereface_plus.data.formats.pair_fields import Line, is_count, is_label


def names_of(line: Line, genuine: bool | None) -> tuple[str, str, bool] | None:
    """The keys of `name n m` or `name n name m`, and whether it is the former; None for another line.

    genuine: which of the two it must be, where that is known. Words of a name that white space divides are
    joined, where the numbers leave one way to do so.
    """
    fields = list(line.fields)
    while fields and not fields[-1]:  # Kaggle's CSV of LFW has a fourth column for all
        fields.pop()
    counts = [place for place, field in enumerate(fields) if place and is_count(field)]
    if len(fields) < 3 or counts[-1:] != [len(fields) - 1]:
        return None
    if genuine is not False and counts[-2:] == [len(fields) - 2, len(fields) - 1] and len(counts) == 2:
        name = " ".join(fields[:-2])
        return photo_key_of(name, fields[-2]), photo_key_of(name, fields[-1]), True
    # A name may be a number, too: `0000045 1 7 3`.
    inner = [place for place in counts if 0 < place < len(fields) - 2]
    if genuine is True or len(inner) != 1:
        return None
    name, other = " ".join(fields[: inner[0]]), " ".join(fields[inner[0] + 1 : -1])
    return photo_key_of(name, fields[inner[0]]), photo_key_of(other, fields[-1]), False


def may_end_in_a_label(line: Line, one: str, other: str, labelled: bool) -> bool:
    """Whether the number before the last is read as an impostor's name, or as its end, but need not be one.

    In `Ann 1 2 1` the 2, in `Ann 1 Bob 2 0` too. Where people are all numbers it may be a name, as long as a
    line of three fields shows that no label follows.
    """
    fields = [field for field in line.fields if field]
    if len(fields) < 4 or not is_count(fields[-2]):
        return False
    one, other = (key.partition("/")[0] for key in (one, other))
    if other != fields[-2]:
        return is_label(fields[-1])
    return not is_count(one) or (labelled and is_label(fields[-1]))


def photo_key_of(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}"
