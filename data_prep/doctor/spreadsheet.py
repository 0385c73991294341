"""Texts in a CSV that a person edits in a spreadsheet: none is taken for a formula, all come back exactly.

A text that begins as a formula does gets an apostrophe in front, and so does one that begins with an
apostrophe and such a sign, so that one apostrophe can be taken off again.
"""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def quoted(text: str) -> str:
    """The text as it is written."""
    return f"'{text}" if text.lstrip("' ").startswith(_FORMULA) else text


def unquoted(text: str) -> str:
    """The text that was `quoted`; any other stays as it is."""
    return text[1:] if text.startswith("'") and quoted(text[1:]) == text else text
