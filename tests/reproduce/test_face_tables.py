"""The paper's tables of face models: `reproduce` becomes `python -m eval paper`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sphereface_plus.__main__ import cli
from sphereface_plus.config import recipes
from sphereface_plus.reproduce import evaluation
from sphereface_plus.reproduce.face_tables import face_tables

NAMES = ["figure09", "figure10", "table08", "table09", "table10", "table17", "table18"]


def test_the_tables_are_those_of_the_recipes_and_listed_in_the_help():
    assert face_tables() == NAMES
    text = CliRunner().invoke(cli, ["reproduce", "--help"]).output
    assert [name for name in NAMES if f"\n  {name}    " not in text] == []


def test_the_process_becomes_that_of_eval(monkeypatch):
    became = {}

    def execve(file, command, environment):
        became.update(file=file, command=command, paths=environment["PYTHONPATH"].split(os.pathsep))
        raise SystemExit(7)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    result = CliRunner().invoke(cli, ["reproduce", "table17", "--models", "a folder", "--out", "x"])
    assert result.exit_code == 7
    assert became["file"] == sys.executable
    assert became["command"][1:6] == ["-P", "-m", "eval", "paper", "table17"]
    assert became["command"][6:] == ["--models", "a folder", "--out", "x"]
    assert became["paths"][1:] == ["/elsewhere"]


def test_it_runs_from_any_folder_even_one_with_an_eval_in_it(repository, tmp_path):
    (tmp_path / "eval.py").write_text("raise SystemExit('the wrong one')")
    command = [sys.executable, "-m", "sphereface_plus", "reproduce", "table08"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    ended = subprocess.run(
        [*command, "--models", "nothing", "--out", "out"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: nothing: there is no such folder of models; ")


def test_without_a_checkout_it_is_said_where_eval_is(monkeypatch, tmp_path):
    (tmp_path / "recipes" / "paper" / "faces").mkdir(parents=True)
    (tmp_path / "recipes" / "paper" / "faces" / "table08.yaml").touch()
    for module in (recipes, evaluation):
        monkeypatch.setattr(module, "recipes_folder", lambda: tmp_path / "recipes")
    result = CliRunner().invoke(cli, ["reproduce", "table08"])
    assert result.exit_code == 1
    assert "error: table08: is measured by eval, which is not installed with the library" in result.output


def test_a_study_of_faces_becomes_evals_command_study(monkeypatch):
    became = {}

    def execve(file, command, environment):
        became["command"] = command
        raise SystemExit(7)

    monkeypatch.setattr(os, "execve", execve)
    result = CliRunner().invoke(cli, ["reproduce", "truth_faces_real512", "--out", "x"])
    assert result.exit_code == 7
    assert became["command"][3:] == ["eval", "study", "truth_faces_real512", "--out", "x"]
    result = CliRunner().invoke(cli, ["reproduce", "--seeds", "1", "truth_faces_real512"])
    assert "error: truth_faces_real512: trains and measures face models; name it first" in result.output


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_not_named_first_says_so(name):
    result = CliRunner().invoke(cli, ["reproduce", "--seeds", "1", name])
    assert result.exit_code == 1
    assert f"error: {name}: measures face models; name it first: sphereface-plus reproduce" in result.output
