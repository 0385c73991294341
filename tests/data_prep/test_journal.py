"""The journal survives a kill at any byte, and refuses what it must not mix."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from data_prep.errors import PrepError
from data_prep.journal import JOURNAL, Crop, Done, Journal
from sphereface_plus.data.formats.manifest import ManifestRow

SETTINGS = {"template": "sphereface_112x96", "thresholds": [0.6, 0.7, 0.9]}


def done(source: str, **changes) -> Done:
    place = (math.nan,) * 5 + (1.5,) * 10
    row = ManifestRow(f"{source}.png", "Ann", source, "given", "sphereface_112x96", 112, 96, *place)
    start = Done(source, "Ann", 1000, 123456789, "", "", (Crop(row, 77),))
    return dataclasses.replace(start, **changes)


def test_what_was_added_is_read_back(tmp_path):
    with Journal(tmp_path / "out", SETTINGS) as journal:
        journal.add(done("b/ü"))
        journal.add(done("a", problem="unreadable", detail="is an\nempty file", crops=()))
    again = Journal(tmp_path / "out", SETTINGS).done
    assert list(again) == ["a", "b/ü"]
    assert again["a"] == done("a", problem="unreadable", detail="is an\nempty file", crops=())
    assert repr(again["b/ü"]) == repr(done("b/ü"))  # nan is not equal to itself


def test_a_run_killed_at_any_byte_loses_at_most_the_photo_that_was_being_written(tmp_path):
    with Journal(tmp_path, SETTINGS) as journal:
        header = (tmp_path / JOURNAL).stat().st_size
        journal.add(done("a"))
        first = (tmp_path / JOURNAL).stat().st_size
        journal.add(done("b"))
        whole = (tmp_path / JOURNAL).read_bytes()
    for length in sorted(
        {*range(header, len(whole), 37), header, first - 1, first, len(whole) - 1, len(whole)}
    ):
        (tmp_path / JOURNAL).write_bytes(whole[:length])
        # A line without its end is whole, too.
        expected = [name for name, end in (("a", first - 1), ("b", len(whole) - 1)) if length >= end]
        with Journal(tmp_path, SETTINGS) as journal:
            assert list(journal.done) == expected
            journal.add(done("c"))
        assert list(Journal(tmp_path, SETTINGS).done) == [*expected, "c"]


def test_a_finished_journal_does_not_tell_the_order_of_the_work(tmp_path):
    texts = []
    for name, order in (("x", "abc"), ("y", "cab")):
        with Journal(tmp_path / name, SETTINGS) as journal:
            for source in order:
                journal.add(done(source))
        texts.append((tmp_path / name / JOURNAL).read_bytes())
    assert texts[0] == texts[1]


def test_an_interrupted_journal_keeps_what_was_added(tmp_path):
    journal = Journal(tmp_path, SETTINGS)
    journal.__enter__()
    journal.add(done("a"))
    journal.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert list(Journal(tmp_path, SETTINGS).done) == ["a"]


def test_other_settings_are_refused_by_name(tmp_path):
    with Journal(tmp_path, SETTINGS):
        pass
    with pytest.raises(
        PrepError,
        match=r"begun with other settings \(template sphereface_112x96 there, arcface_112x112 here\); "
        "give the same ones, or a new folder$",
    ):
        Journal(tmp_path, SETTINGS | {"template": "arcface_112x112"})


def test_only_what_differs_is_said_and_once(tmp_path):
    def settings(min_face: float, **others) -> dict:
        detector = {
            "detector": "mtcnn",
            "min_face": min_face,
            "weights_sha256": {"pnet": "a2a7", "rnet": "bbb9"},
        }
        return {"min_face": min_face, "detector": detector, "landmarks": None, **others}

    with Journal(tmp_path, settings(20.0)):
        pass
    for now, changes in (
        (settings(30.0), r"\(min_face 20 there, 30 here\)"),
        (
            settings(20.0, detector=None, landmarks="e3b0"),
            r"\(detector in use there, none here; "
            r"landmarks none there, e3b0 here\)",
        ),
    ):
        with pytest.raises(PrepError, match=f"begun with other settings {changes};"):
            Journal(tmp_path, now)


def test_a_folder_with_something_else_is_refused_and_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("my life")
    with pytest.raises(PrepError, match="is not empty and holds no crops of this program"):
        Journal(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(PrepError, match="is not empty and holds no crops of this program"):
        Journal(tmp_path / "thesis.tex", SETTINGS)


@pytest.mark.parametrize(
    "text", [b"", b"hello\n", b"[]\n", b'{"a": 1}\n', b'{"settings": 5}\n', b"\xff\n", b"[" * 100_000]
)
def test_a_file_that_is_no_journal_is_refused(tmp_path, text):
    (tmp_path / JOURNAL).write_bytes(text)
    with pytest.raises(PrepError, match="is not a journal of this program"):
        Journal(tmp_path, SETTINGS)


def test_a_folder_in_the_journals_place_is_refused(tmp_path):
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(PrepError, match="is not a journal of this program"):
        Journal(tmp_path, SETTINGS)


def test_settings_of_a_forged_journal_cannot_break_the_sentence(tmp_path):
    (tmp_path / JOURNAL).write_text(
        json.dumps({"settings": SETTINGS | {"template": "a\nb", "x\n": "1" * 999}})
    )
    with pytest.raises(PrepError, match=r"\(template a\\nb there, .*; x\\n 1{200} there, none here\); give"):
        Journal(tmp_path, SETTINGS)


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b'"text"',
        b"[" * 100_000,
        b'{"source": "\xff"}',
        *(
            json.dumps(dataclasses.asdict(done("a")) | change).encode()
            for change in (
                {"source": []},
                {"source": 5},
                {"num_bytes": "1"},
                {"modified_ns": True},
                {"crops": 5},
                {"crops": [{"row": {}, "num_bytes": 1}]},
                {"crops": [dataclasses.asdict(done("a").crops[0]) | {"num_bytes": 1.5}]},
            )
        ),
        *(
            json.dumps(dataclasses.asdict(done("a", crops=(Crop(row, 77),)))).encode()
            for row in (
                dataclasses.replace(done("a").crops[0].row, identity="\ud800"),
                dataclasses.replace(done("a").crops[0].row, identity=None),
                dataclasses.replace(done("a").crops[0].row, score="high"),
            )
        ),
    ],
    ids=lambda line: repr(line[:20]),
)
def test_a_line_of_other_things_than_ours_is_passed_over(tmp_path, line):
    with Journal(tmp_path, SETTINGS) as journal:
        journal.add(done("b"))
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(line + b"\n")
    with Journal(tmp_path, SETTINGS) as journal:
        journal.add(done("c"))
    assert list(Journal(tmp_path, SETTINGS).done) == ["b", "c"]


def test_a_crop_that_leads_out_of_the_folder_is_not_believed(tmp_path):
    outside = dataclasses.replace(done("a").crops[0].row, path="../victim.png")
    with Journal(tmp_path / "out", SETTINGS) as journal:
        journal.add(done("a", crops=(Crop(outside, 77),)))
        journal.add(done("b"))
    assert list(Journal(tmp_path / "out", SETTINGS).done) == ["b"]
