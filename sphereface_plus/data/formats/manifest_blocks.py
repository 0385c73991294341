"""A manifest's rows by pandas' own reader, block by block, as far as nothing in them is out of the ordinary.

pandas is more lenient than the manifest's rules, so each block is looked through first: what it might take
for something else, as odd quotes, line ends or numbers of fields, is left to manifest.py, row by row.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO

import numpy as np
import pandas

from sphereface_plus.errors import UserError

BLOCK = 2**23
"""Bytes that are parsed at once."""
_LONGEST = 2**17
"""Bytes of a row, less than csv.field_size_limit()."""
_COMMA, _LINE_END, _QUOTE = b',\n"'
_BOUNDS = (_COMMA, _LINE_END, _QUOTE)  # a quote beside another is one within a field


class _Unusual(Exception):
    """Something that pandas may read in another way than it is meant, or that is wrong."""


def read_blocks(
    file: IO[bytes],
    kinds: Mapping[str, str],
    may_be_empty: Collection[str],
    check: Callable[[str, str], object],
) -> pandas.DataFrame | None:
    """The rows that follow the header of a CSV; None where something is unusual or wrong, or there is none.

    kinds: column -> str, int or float, in their order. may_be_empty: numbers that are nan where they are.
    check: (column, text), raises ValueError for what no row may have; given each text that could be such.
    """
    try:
        tables = [_table(block, kinds, may_be_empty, check) for block in _blocks(file)]
    except _Unusual:
        return None
    table = pandas.concat(tables, ignore_index=True) if tables else None
    return table if table is not None and table["path"].is_unique else None


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Whole rows, of BLOCK bytes or a little more."""
    while block := file.read(BLOCK):
        block += file.readline(_LONGEST)
        while block.count(b'"') % 2:  # within a field that holds a line end
            more = file.readline(_LONGEST)
            if not more or len(block) > BLOCK + 2 * _LONGEST:
                raise _Unusual
            block += more
        yield block if block.endswith(b"\n") else block + b"\n"


def _table(
    block: bytes, kinds: Mapping[str, str], may_be_empty: Collection[str], check: Callable[[str, str], object]
) -> pandas.DataFrame:
    if b"\r" in block and b'"' not in block:
        block = block.replace(b"\r\n", b"\n")
    if b"\r" in block or b"\0" in block:
        raise _Unusual
    _check_fields(block, len(kinds))
    numbers = [name for name, kind in kinds.items() if kind == "float"]
    try:
        table = pandas.read_csv(
            io.BytesIO(block),
            header=None,
            names=list(kinds),
            dtype={name: "float64" if name in numbers else "str" for name in kinds},  # type: ignore[arg-type]
            keep_default_na=False,
            na_values={name: [""] for name in numbers},
            index_col=False,
        )
    except (ValueError, OverflowError):  # UnicodeDecodeError is one
        raise _Unusual from None
    for name in numbers:
        values = table[name].to_numpy()
        if np.isinf(values).any() or (name not in may_be_empty and np.isnan(values).any()):
            raise _Unusual
    # A few texts stand for all: those of columns with few, and where there may be an empty or a bad one.
    for name, kind in kinds.items():
        if kind == "float":
            continue
        texts = table[name]
        if kind == "int" or name == "method":
            some = texts.unique()
        elif name == "path" and re.search(r"^/|\.\.|[\\:]", "\n".join(texts), re.MULTILINE):
            some = texts
        else:
            some = [""] if bool((texts == "").any()) else []
        try:
            for text in some:
                check(name, text)
        except UserError:
            raise _Unusual from None
        if kind == "int":
            table[name] = texts.map({text: int(text) for text in some}.__getitem__).astype("int64")
    return table


def _check_fields(block: bytes, expected: int) -> None:
    """Raises _Unusual unless each line that is not empty has that many fields, and none is too long."""
    data = np.frombuffer(block, np.uint8)
    commas, ends = data == _COMMA, data == _LINE_END
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes):
        opening, closing = quotes[::2], quotes[1::2]
        before = np.where(opening > 0, data[opening - 1], _LINE_END)
        if not (np.isin(before, _BOUNDS).all() and np.isin(data[closing + 1], _BOUNDS).all()):
            raise _Unusual
        within = np.cumsum(data == _QUOTE, dtype=np.uint8) & 1 == 1  # its lowest bit survives overflow
        commas, ends = commas & ~within, ends & ~within
    end = np.flatnonzero(ends)
    start = np.concatenate([[0], end[:-1] + 1])
    lengths = end - start
    fields = np.add.reduceat(commas.view(np.uint8), start) + 1  # 256 too many would stop pandas
    if lengths.max() >= _LONGEST or (fields[lengths > 0] != expected).any():
        raise _Unusual
