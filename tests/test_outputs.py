"""A place holds one result: who may write there, who may not, and what is left behind."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from sphereface_plus.outputs import HASHED_BYTES, claimed, locked
from sphereface_plus.path_checks import PlaceError


def result(place: Path, command: str = "eval verify", *, content: str = "1", **of: Any) -> Path:
    """What a command does: claims a folder and writes into it."""
    with claimed(place, command, **of):
        (place / "report.json").write_text(content)
    return place


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_or_empty_folder_is_free_and_the_same_command_writes_again(tmp_path):
    out = result(tmp_path / "out", model="a")
    assert result(out, model="a", content="2").joinpath("report.json").read_text() == "2"
    assert names(out) == [".made_by.json", "report.json"]
    (tmp_path / "empty").mkdir()
    result(tmp_path / "empty", model="a")


@pytest.mark.parametrize(("command", "model"), [("eval verify", "b"), ("data_prep doctor", "a")])
def test_another_model_or_command_is_refused_and_nothing_is_lost(tmp_path, command, model):
    out = result(tmp_path / "out", model="a")
    with pytest.raises(PlaceError) as refusal:
        result(out, command, model=model, content="2")
    said = {
        "eval verify": "eval verify, and this would be another: model a -> b",
        "data_prep doctor": "eval verify (model a), and this would be data_prep doctor (model a)",
    }
    assert str(refusal.value) == (
        f"{out}: holds the result of {said[command]}; name another folder, or move this one away"
    )
    assert (out / "report.json").read_text() == "1"
    assert names(out) == [".made_by.json", "report.json"]


def test_only_what_differs_is_named_of_the_same_command(tmp_path):
    of: dict[str, Any] = {
        "model": tmp_path / "runs/mine",
        "pairs": "pairs.csv",
        "seed": 0,
        "photos": ["a", "b"],
    }
    out = result(tmp_path / "out", **of)

    def refused(**other: Any) -> str:
        with pytest.raises(PlaceError) as refusal:
            result(out, content="2", **of | other)
        assert (out / "report.json").read_text() == "1"
        begin, end = f"{out}: holds the result of eval verify", "; name another folder, or move this one away"
        assert str(refusal.value).startswith(begin)
        assert str(refusal.value).endswith(end)
        return str(refusal.value)[len(begin) : -len(end)]

    would = ", and this would be another: "
    assert refused(seed=1) == f"{would}seed 0 -> 1"
    assert refused(groups=Path("g.csv")) == f"{would}groups g.csv is new"
    assert refused(pairs=None, photos=["a"]) == f"{would}photos a and b -> a, pairs pairs.csv is not given"
    same = (
        " (model mine, pairs pairs.csv, seed 0, photos a and b), but some of these lie elsewhere now, under"
    )
    assert refused(model=tmp_path / "older/mine") == f"{same} the same names"
    result(out, **of)  # all that as before
    note = out / ".made_by.json"
    older = {name: value for name, value in json.loads(note.read_text()).items() if name != "inputs"}
    note.write_text(json.dumps(older))  # as it was written before
    assert refused(seed=1) == (
        " (model mine, pairs pairs.csv, seed 0, photos a and b), and this would be eval verify (model mine, "
        "pairs pairs.csv, seed 1, photos a and b)"
    )


def test_files_without_a_note_are_refused_by_name(tmp_path):
    for name in ("config.yaml", "log.jsonl", "x", "y"):
        (tmp_path / name).touch()
    with pytest.raises(PlaceError, match=r"holds config\.yaml, log\.jsonl, x, \.\.\., and nothing says that"):
        result(tmp_path, model="a")
    assert names(tmp_path) == ["config.yaml", "log.jsonl", "x", "y"]


def test_a_file_that_was_edited_is_not_overwritten_and_one_beside_it_is_let_be(tmp_path):
    out = result(tmp_path / "out", model="a")
    (out / "notes.txt").write_text("mine")
    result(out, model="a")
    (out / "report.json").write_text("edited")
    with pytest.raises(PlaceError, match=r"report\.json: was changed since it was made, and would be lost"):
        result(out, model="a")


@pytest.mark.parametrize("content", [".made_by.json", "checkpoints/last.pt", "progress.jsonl", ".hidden"])
def test_a_folder_of_results_takes_one_and_a_folder_of_photos_does_not(tmp_path, content):
    for name, file in (
        ("reports/pixels", content),
        ("reports/deeper/mine", content),
        ("photos/Ann", "1.jpg"),
    ):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).touch()
    result(tmp_path / "reports", model="a")
    assert names(tmp_path / "reports") == [".made_by.json", "deeper", "pixels", "report.json"]
    for foreign in ("photos", "."):
        with pytest.raises(
            PlaceError, match=r"holds folders that are not results, (Ann|photos); name another"
        ):
            result(tmp_path / foreign, model="a")
    assert names(tmp_path / "photos") == ["Ann"]


def test_subfolders_of_a_result_are_claimed_with_it(tmp_path):
    def write(text: str) -> None:
        with claimed(tmp_path, "eval", within=("public",)):
            (tmp_path / "public").mkdir(exist_ok=True)
            (tmp_path / "report.json").write_text(text)
            (tmp_path / "public" / "report.html").write_text(text)

    foreign = tmp_path / "public" / "report.html"
    foreign.parent.mkdir()
    foreign.write_text("foreign")
    with pytest.raises(
        PlaceError, match=r"holds public/report\.html, and nothing says that this command made"
    ):
        write("1")
    assert foreign.read_text() == "foreign"
    foreign.unlink()
    write("1")
    write("2")
    foreign.write_text("edited")
    with pytest.raises(PlaceError, match=r"public.report\.html: was changed since it was made"):
        write("3")
    foreign.unlink()
    (tmp_path / "public" / "mine.txt").touch()
    with pytest.raises(PlaceError, match=r"public.mine\.txt: nothing says that this command made it"):
        write("3")


def test_another_content_under_the_same_name_is_refused_and_said_in_words(tmp_path):
    def write(out: str, **contents: str) -> None:
        with claimed(tmp_path / out, "eval", contents=contents, model="m.npz"):
            (tmp_path / out / "report.json").write_text(contents["model"])

    write("out", model="1", pairs="p")
    write("out", model="1", pairs="p")
    with pytest.raises(PlaceError) as refusal:
        write("out", model="2", pairs="p")
    assert str(refusal.value) == (
        f"{tmp_path / 'out'}: holds the result of eval (model m.npz), but under the same names: the content "
        "of model is another now; name another folder, or move this one away"
    )
    assert (tmp_path / "out" / "report.json").read_text() == "1"
    with pytest.raises(PlaceError, match=r"names: pairs is not given; name another folder"):
        write("out", model="1")
    with pytest.raises(PlaceError, match=r"names: the content of model is another now, and noise is new; "):
        write("out", model="2", pairs="p", noise="n")


def test_edits_of_a_large_text_are_seen(tmp_path):
    out = result(tmp_path / "out")
    rows = "crop,keep\n" * (HASHED_BYTES // 10 + 1)

    def write() -> None:
        with claimed(out, "doctor", of="x"):
            (out / "proposals.csv").write_text(rows)

    (out / "report.json").unlink()
    write()
    (out / "proposals.csv").write_text(rows.replace("keep", "drop", 1))
    with pytest.raises(PlaceError, match=r"proposals\.csv: was changed since it was made"):
        write()


def test_a_path_is_the_same_wherever_it_is_named_from(tmp_path, monkeypatch):
    result(tmp_path / "out", model=tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    result(Path("out"), model=Path("runs/mine"))
    note = (tmp_path / "out" / ".made_by.json").read_text()
    assert '"of": "model mine"' in note
    assert str(tmp_path) not in note  # it may be published with its folder


def test_what_fails_leaves_no_trace(tmp_path):
    for folder in ("new", "here"):
        (tmp_path / "here").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="bad input"), claimed(tmp_path / folder, "eval", model="a"):
            raise ValueError("bad input")
    assert names(tmp_path) == ["here"]
    assert names(tmp_path / "here") == []


def test_what_was_stopped_goes_on_whatever_it_has_written(tmp_path):
    out = result(tmp_path / "out", model="a")

    with claimed(out, "eval verify", model="a"):
        (out / "report.json").write_text("half of the second")
        killed = (out / ".made_by.json").read_text()
    (out / ".made_by.json").write_text(killed)
    assert result(out, model="a", content="2").joinpath("report.json").read_text() == "2"


def test_a_file_has_its_note_beside_it(tmp_path):
    def write(name: str, model: str) -> None:
        with claimed(tmp_path / name, "export", file=True, model=model):
            (tmp_path / name).write_text(model)

    write("a.onnx", "a")
    write("b.onnx", "b")
    write("a.onnx", "a")
    with pytest.raises(
        PlaceError, match=r"a\.onnx: holds the result of export, .* another: model a -> b; name another file"
    ):
        write("a.onnx", "b")
    assert (tmp_path / "a.onnx").read_text() == "a"
    (tmp_path / "c.onnx").touch()
    with pytest.raises(PlaceError, match=r"c\.onnx: is there already, and nothing says that this command"):
        write("c.onnx", "c")
    (tmp_path / "a.onnx").unlink()  # a note about nothing
    write("a.onnx", "b")
    assert names(tmp_path) == [".a.onnx.made_by.json", ".b.onnx.made_by.json", "a.onnx", "b.onnx", "c.onnx"]


def test_a_file_is_claimed_with_those_beside_it(tmp_path):
    def write(text: str, model: str = "a") -> None:
        with claimed(tmp_path / "a.onnx", "export", file=True, beside=("a.onnx.yaml",), model=model):
            (tmp_path / "a.onnx").write_text(text)
            (tmp_path / "a.onnx.yaml").write_text(text)

    spec = tmp_path / "a.onnx.yaml"
    spec.write_text("mine")
    with pytest.raises(PlaceError) as refusal:
        write("1")
    assert str(refusal.value) == (
        f"{spec}: is there already, and nothing says that this command made it; name another file, or move "
        "this one away"
    )
    assert (names(tmp_path), spec.read_text()) == (["a.onnx.yaml"], "mine")
    spec.unlink()
    write("1")
    write("2")
    spec.write_text("edited")
    with pytest.raises(PlaceError, match=r"a\.onnx\.yaml: was changed since it was made, and would be lost"):
        write("3")
    (tmp_path / "a.onnx").unlink()
    with pytest.raises(PlaceError, match=r"a\.onnx\.yaml: was changed since it was made, and would be lost"):
        write("3")
    spec.write_text("2")
    write("3", model="b")  # what is left beside a file that is gone


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 1, "files": 3}', "[" * 10**5])
def test_a_damaged_note_is_none(tmp_path, content):
    out = result(tmp_path / "out", model="a")
    (out / ".made_by.json").write_text(content)
    with pytest.raises(PlaceError):
        result(out, model="a")


def hold(place: Path, file: bool, held, done) -> None:
    with locked(place, file=file):
        held.set()
        done.wait(60)


@pytest.mark.parametrize("file", [False, True])
def test_another_process_cannot_write_there_meanwhile(tmp_path, file):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    place = tmp_path / "place"
    process = context.Process(target=hold, args=(place, file, held, done))
    process.start()
    try:
        assert held.wait(60)
        with (
            pytest.raises(PlaceError, match=r"place: another process is writing there; wait for it"),
            claimed(place, "pack", file=file),
        ):
            pass
    finally:
        done.set()
        process.join()
    with claimed(place, "pack", file=file):
        pass
    assert names(tmp_path) == []
