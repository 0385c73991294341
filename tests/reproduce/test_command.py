"""`sphereface-plus reproduce` from end to end, on a few images and a network of four filters."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sphereface_plus import side_by_side
from sphereface_plus.__main__ import main
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.reproduce import command, runs, spec
from sphereface_plus.reproduce.face_tables import face_studies
from sphereface_plus.reproduce.figures import features_of
from sphereface_plus.side_by_side import Command
from sphereface_plus.training.logs import read_log


def call(monkeypatch, *arguments):
    """main() as the shell calls it: its exit code."""
    monkeypatch.setattr(sys, "argv", ["sphereface-plus", "reproduce", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def forbidden(*_):
    raise AssertionError("a finished run was run again")


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_a_figure_is_run_and_written_with_its_numbers_and_not_run_twice(
    monkeypatch, capsys, table, digits, tmp_path
):
    arguments = (table, "--data", f"mnist={digits}", "--at-once", "2", "--out", tmp_path / "out")
    assert call(monkeypatch, *arguments) == 0
    captured = capsys.readouterr()
    said = captured.out
    text = (tmp_path / "out" / "table.md").read_text()
    assert text in said
    *lines, last_line = captured.err.splitlines()  # no terminal: a line for each run that has ended
    assert last_line == f"drawing into {tmp_path / 'out'}"
    assert [line.partition(" runs")[0] for line in lines] == ["0 of 2", "1 of 2", "2 of 2"]
    assert "| MHE | All digits | " in text
    assert "It is small." in text
    for name in ("features_train", "features_test", "energy_of_layers", "half_space_energy_of_layers"):
        assert f"wrote {tmp_path / 'out' / name}.png" in said
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"![]({name}.png)" in (tmp_path / "out" / f"{name}.md").read_text()

    mhe = next((tmp_path / "out" / "runs").glob("mhe_*_seed0"))
    last = read_log(mhe / "log.jsonl")[-1]
    rows = read_csv(tmp_path / "out" / "table.csv")
    error = {(row["row"], row["column"]): float(row["test_error_percent"]) for row in rows}
    assert error["MHE", "All digits"] == pytest.approx(100 * (1 - last["test/accuracy"]), abs=1e-4)
    assert error["MHE", "Digit 3"] == pytest.approx(100 * (1 - last["test/accuracy_of_3"]), abs=1e-4)

    features, labels, prototypes = features_of(mhe, "test")
    assert (features.shape, prototypes.shape) == ((10, 2), (10, 2))
    threes = next(
        row
        for row in read_csv(tmp_path / "out" / "features_test.csv")
        if (row["method"], row["class"]) == ("MHE", "3")
    )
    assert float(threes["mean_x"]) == pytest.approx(features[labels == 3][:, 0].mean(), rel=1e-4)
    accuracy = torch.from_numpy(features @ prototypes.T).argmax(1).eq(torch.from_numpy(labels)).float().mean()
    assert accuracy.item() == pytest.approx(last["test/accuracy"])
    points = read_csv(tmp_path / "out" / "features_test_points.csv")
    drawn = [[float(p["x"]), float(p["y"])] for p in points if (p["method"], p["class"]) == ("MHE", "3")]
    assert drawn == pytest.approx(features[labels == 3], rel=1e-4)
    assert "features_test_points.csv" in (tmp_path / "out" / "features_test.md").read_text()
    energies = read_csv(tmp_path / "out" / "energy_of_layers.csv")
    assert {row["method"] for row in energies} == {"Baseline", "MHE"}
    assert {int(row["step"]) for row in energies} == {0, 1, 2}

    monkeypatch.setattr(runs, "Command", forbidden)
    assert call(monkeypatch, *arguments) == 0
    assert (tmp_path / "out" / "table.md").read_text() == text
    shutil.rmtree(mhe)
    with pytest.raises(AssertionError, match="a finished run was run again"):
        call(monkeypatch, *arguments)


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_a_run_that_diverges_is_n_c_and_named_and_not_tried_again(
    monkeypatch, capsys, table, digits, tmp_path
):
    broken = tmp_path / "broken.yaml"
    broken.write_text(table.read_text().replace("MHE: [", "MHE: [optimizer.learning_rate=1e30, "))
    arguments = (broken, "--data", f"mnist={digits}", "--out", tmp_path / "out")
    assert call(monkeypatch, *arguments) == 1
    said = capsys.readouterr().err
    mhe = next((tmp_path / "out" / "runs").glob("mhe_*.json")).with_suffix("")
    assert f"error: 1 of 2 runs did not converge: {mhe}; the first said: error: " in said
    assert "not finite" in said or "diverged" in said
    assert said.endswith("delete a run's .json to have it tried again\n")
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| MHE | All digits | N/C |  |  | 2.00 |" in text
    assert f"N/C, runs that did not converge, left out of means and differences: runs/{mhe.name}.\n" in text
    assert [row["test_error_percent"] for row in read_csv(tmp_path / "out" / "table.csv")][2:] == ["", ""]
    points = read_csv(tmp_path / "out" / "features_test_points.csv")
    assert {row["method"] for row in points} == {"Baseline"}

    monkeypatch.setattr(runs, "Command", forbidden)
    assert call(monkeypatch, *arguments) == 1
    assert (tmp_path / "out" / "table.md").read_text() == text
    mhe.with_suffix(".json").unlink()
    with pytest.raises(AssertionError, match="a finished run was run again"):
        call(monkeypatch, *arguments)


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_runs_that_were_killed_or_stopped_are_unfinished_and_go_on(
    monkeypatch, capsys, table, digits, tmp_path
):
    arguments = (table, "--data", f"mnist={digits}", "--out", tmp_path / "out")
    # 143: as a training ends that was stopped and has saved
    ways = iter(["import os; os.kill(os.getpid(), 9)", "raise SystemExit(143)"])
    with monkeypatch.context() as patch:
        patch.setattr(side_by_side, "subprocess", subprocess)
        patch.setattr(runs, "Command", lambda _, says: Command([sys.executable, "-c", next(ways)], says))
        assert call(patch, *arguments) == 1
    said = capsys.readouterr().err
    assert "error: 2 of 2 runs are unfinished: " in said
    assert said.endswith("the first said: ended by signal 9 (Killed); the same command goes on with them\n")
    files = sorted((tmp_path / "out" / "runs").glob("*.json"))
    assert [runs.failure_of(file) for file in files] == [
        "ended by signal 9 (Killed)",
        "ended by signal 15 (Terminated)",
    ]
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| Baseline | All digits | unfinished |" in text
    assert "N/C" not in text

    assert call(monkeypatch, *arguments) == 0
    assert "unfinished" not in (tmp_path / "out" / "table.md").read_text()
    assert [runs.failure_of(file) for file in files] == [None, None]


def test_the_folder_is_its_tables_alone_and_more_seeds_go_on_there(
    monkeypatch, capsys, table, digits, tmp_path
):
    def stopped(configs, *_, **__):
        for folder in configs:
            folder.parent.mkdir(exist_ok=True)
            folder.with_suffix(".txt").write_text("words of a run")
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run_all", stopped)
    out, data = tmp_path / "out", ("--data", f"mnist={digits}")
    out.mkdir()
    (out / "table.md").write_text("mine")
    assert call(monkeypatch, table, *data, "--out", out) == 1
    assert capsys.readouterr().err == (
        f"error: {out}: holds table.md, and nothing says that this command made it; name another folder, or "
        "move this one away\n"
    )
    assert (out / "table.md").read_text() == "mine"
    (out / "table.md").unlink()

    for more in ((), (), ("--seeds", "2")):
        assert call(monkeypatch, table, *data, *more, "--out", out) == 130
    capsys.readouterr()
    assert call(monkeypatch, table, *data, "--set", "train.steps=4", "--out", out) == 1
    assert capsys.readouterr().err == (
        f"error: {out}: holds the result of sphereface-plus reproduce, and this would be another: set "
        "train.steps=4 is new; name another folder, or move this one away\n"
    )


def test_a_class_that_the_training_images_lack_is_refused_before_any_run(
    monkeypatch, capsys, write_digits, table, tmp_path
):
    labels = write_digits(tmp_path / "a", 0) / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes().replace(b"\x07\x08\x09", b"\x08\x08\x09"))
    arguments = (table, "--data", f"mnist={tmp_path / 'a'}", "--out", tmp_path / "out")
    assert call(monkeypatch, *arguments) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'a'}: class 7 has no image in train\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["table99"],
            "error: table99: is not a table or figure; there are figure03, figure04, figure07, f",
        ),
        (["table01", "--data", "nowhere"], "error: --data nowhere: expected SET=PATH"),
        (["table01", "--data", "cifra10=x"], "error: --data cifra10=...: is not a set; there are cifar10, "),
        (["table01", "--data", "cifar100=x"], "error: say where cifar10 lies: --data cifar10=PATH"),
        (
            ["table06", "--data", "imagenet=/nowhere"],
            "error: /nowhere: there is no such file or folder of imagenet's images",
        ),
        (
            ["figure04", "--data", "mnist=nowhere"],
            f"error: {Path('nowhere').resolve()}: there is no such file or folder of mnist's images",
        ),
    ],
)
def test_a_mistake_is_one_sentence_before_any_run(monkeypatch, capsys, tmp_path, arguments, sentence):
    assert call(monkeypatch, *arguments, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_lists_every_table_and_figure(monkeypatch, capsys):
    assert call(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    for path in (recipes_folder() / "paper").glob("*.yaml"):
        if path.stem in face_studies():
            assert f"\n  {path.stem} " in shown
            continue
        described, _ = spec.load_table(path.stem)
        line = next(line for line in shown.splitlines() if line.strip().startswith(path.stem))
        text = path.read_text()
        assert all(name in line for name in command.SETS if f"data.name={name}" in text), (
            described.title,
            line,
        )
