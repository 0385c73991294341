"""Which `--set key=value` a mistake in the settings comes from: those without which it is not there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence


def to_blame(
    mistake: str, overrides: Sequence[str], mistakes_with: Callable[[Sequence[str]], Collection[str]]
) -> list[str]:
    """The overrides that a mistake comes from; none where the recipe has it without them.

    mistakes_with: some of the overrides -> the mistakes of the recipe that is changed by these alone.
    """
    if mistake in mistakes_with([]):
        return []
    keys = [override.partition("=")[0] for override in overrides]
    # Of several for one setting the last has won: without it, another would come in.
    last = [override for at, override in enumerate(overrides) if keys[at] not in keys[at + 1 :]]
    gone = {override: mistakes_with([other for other in last if other is not override]) for override in last}
    needed = [override for override in last if mistake not in gone[override]]
    # Where another mistake comes in its place, this one may only be hidden behind it, if it is of others.
    mistakes = mistakes_with(last)
    sure = [
        override
        for override in needed
        if override.partition("=")[0] in mistake or all(each in mistakes for each in gone[override])
    ]
    return sure or needed or last  # all, where each of several makes the same one
