"""The fast way to read a manifest gives what the way row by row gives, or leaves the file to that."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats import manifest, manifest_blocks
from sphereface_plus.data.formats.manifest import (
    COLUMNS,
    ManifestError,
    ManifestRow,
    read_manifest,
    write_manifest,
)

ODD = ('Zoë "Z", Jr', "a\nb", "=1+1", " x ", "NA", "nan", "1_000", "a,b", '"', "")


def rows(count: int) -> list[ManifestRow]:
    numbers: list[Any] = [0.1 + 0.2, 1e-7, -3.0, 123456.789012345, 2 / 3, 1e22, 5e-324, math.pi, 99.123, 7.0]
    some = [
        ManifestRow(
            f"p{n % 7}/{n}.png",
            f"p{n % 7}",
            f"{n}.jpg",
            "detected",
            "mine",
            112,
            96,
            0.9,
            1,
            2,
            3,
            4,
            *numbers,
        )
        for n in range(count)
    ]
    some[3] = dataclasses.replace(some[3], method="centre", score=math.nan, box_left=math.nan, turned=90.0)
    return some


def both(content: bytes) -> tuple[pandas.DataFrame | None, Any]:
    """What the fast way gives, and what the other does: a table, or the words of its error."""
    try:
        slow = manifest._read_rows(Path("m.csv"), content)
    except ManifestError as error:
        slow = str(error)
    return manifest._read_fast(Path("m.csv"), content), slow


@pytest.fixture
def content(tmp_path):
    write_manifest(tmp_path / "m.csv", rows(40))
    return (tmp_path / "m.csv").read_bytes()


@pytest.mark.parametrize("block", [1, 300, 2**23])
@pytest.mark.parametrize(
    "change", ["none", "quotes", "line ends", "no last line end", "empty lines", "a column more"]
)
def test_ordinary_manifests_are_read_fast_and_bit_by_bit_alike(tmp_path, monkeypatch, content, block, change):
    monkeypatch.setattr(manifest_blocks, "BLOCK", block)
    if change == "quotes":
        odd = [dataclasses.replace(row, identity=name) for row, name in zip(rows(9), ODD, strict=False)]
        write_manifest(tmp_path / "m.csv", [*odd, *rows(40)[9:]])
        content = (tmp_path / "m.csv").read_bytes()
    elif change == "line ends":
        content = b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    elif change == "no last line end":
        content = content.removesuffix(b"\n")
    elif change == "empty lines":
        content = content.replace(b"\np3", b"\n\np3")
    elif change == "a column more":
        content = content.replace(b"\n", b",NA\n").replace(b",NA\n", b",note\n", 1)
    fast, slow = both(content)
    assert fast is not None
    pandas.testing.assert_frame_equal(fast, slow, check_exact=True)


WORDS = [
    "nan",
    "NaN",
    "NA",
    "N/A",
    "null",
    "None",
    "inf",
    "-inf",
    "Infinity",
    "1e400",
    "1_0",
    "+5",
    "05",
    "0x10",
    "1e5",
    ".5",
    "5.",
    "-0",
    "1e-400",
    "TRUE",
    "１",
    "#",
]


@pytest.mark.parametrize(
    "column", ["path", "identity", "source", "method", "template", "height", "nose_x", "score"]
)
def test_no_value_is_taken_for_another(content, column):
    lines = [line.split(",") for line in content.decode().splitlines()]
    at = lines[0].index(column)
    for word in [
        *WORDS,
        "",
        " ",
        " 5 ",
        "5 5",
        "../x",
        "/x",
        "a/../b",
        "C:\\x",
        "a\0b",
        "1/1.png",
        "\ufeff",
        "a'b",
        'a"b',
        '"a" b',
    ]:
        lines[2][at] = word
        fast, slow = both("\n".join(map(",".join, lines)).encode())
        if fast is not None:
            pandas.testing.assert_frame_equal(fast, slow, check_exact=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "   \n",
        lambda text: text.replace(",,", ",", 1),
        lambda text: text.replace(",,", ",,,", 1),
        lambda text: text.replace(",,\n", ",\n", 1) + text.splitlines()[3].replace("p", "q") + ",\n",
        lambda text: text + text.splitlines()[3] + "\n",
        lambda text: text.replace("p1", '"p1', 1),
        lambda text: text.replace("p1/1", '"p1"/1', 1),
        lambda text: text.replace("p1/1", "p1\r/1", 1),
        lambda text: text.replace("p1/1", "x" * 2**17, 1),
        lambda text: text.partition("\n")[0],
    ],
)
def test_what_is_wrong_or_odd_is_left_to_the_other_way(content, change):
    assert both(change(content.decode()).encode())[0] is None


@given(data=st.data())
@settings(max_examples=300)
def test_no_damage_is_read_in_two_ways(tmp_path_factory, damage, data):
    path = tmp_path_factory.mktemp("manifest") / "m.csv"
    write_manifest(path, [dataclasses.replace(row, identity=ODD[n]) for n, row in enumerate(rows(5))])
    fast, slow = both(damage(data, path.read_bytes()))
    if fast is not None:
        pandas.testing.assert_frame_equal(fast, slow, check_exact=True)


def test_columns_come_in_the_order_of_ours_whatever_the_files(content):
    lines = [line.split(",") for line in content.decode().splitlines()]
    turned = "\n".join(",".join(reversed(line)) for line in lines).encode()
    assert tuple(read_manifest("m.csv", turned).columns[: len(COLUMNS)]) == COLUMNS
    assert both(turned)[0] is not None
