"""The setting that a wrong name is meant for, such as `optimizer.lr`, `train.seed` or `mhe.wieght`."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(name: str, settings: Collection[str]) -> str | None:
    """The full name of the setting that is nearest to `name`, or None where none is near.

    settings: full names, the main ones first. The same last part in another group is nearer than another
    last part in the same group, which may be misspelt or abbreviated, and that is nearer than such a one in
    another group.
    """
    group, _, last = name.rpartition(".")
    beside = [setting for setting in settings if setting.rpartition(".")[0] == group]
    for candidates in (
        [setting for setting in settings if _last(setting) == last],
        _misspelt(last, beside),
        [setting for setting in beside if _abbreviates(last, _last(setting))],
        difflib.get_close_matches(name, settings, n=1, cutoff=0.8),
        _misspelt(last, settings),
        [setting for setting in settings if _abbreviates(last, _last(setting))][:1],
    ):
        if candidates:
            return max(candidates, key=lambda setting: difflib.SequenceMatcher(None, name, setting).ratio())
    return None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _misspelt(last: str, settings: Collection[str]) -> list[str]:
    """Those whose last part is spelt much as this one."""
    parts = {_last(setting) for setting in settings}
    near = difflib.get_close_matches(last, parts, n=1, cutoff=0.75)
    return [setting for setting in settings if _last(setting) in near]


def _abbreviates(short: str, name: str) -> bool:
    """lr, rate or learn for learning_rate."""
    words = name.split("_")
    initials = "".join(word[:1] for word in words)
    return short in (*words, initials) or (len(short) > 2 and name.startswith(short))
