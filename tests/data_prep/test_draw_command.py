"""python -m data_prep draw as people use it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main


@pytest.fixture
def run():
    """Runs a command in this process and gives click's result."""
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_draw_draws_a_set_once(tmp_path, run):
    options = [
        "--people",
        2,
        "--photos",
        1,
        "--test-people",
        20,
        "--test-photos",
        2,
        "--pairs",
        1,
        "--workers",
        1,
    ]
    first = run("draw", tmp_path / "set", *options)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("42 photos drawn: ")
    assert f"next: python -m data_prep align {tmp_path}/set/train CROPS\n" in first.stdout
    again = run("draw", tmp_path / "set", *options).stdout
    assert again == first.stdout.replace("42 photos drawn: ", "all are there already, 42 photos: ")
    sorted((tmp_path / "set/train").rglob("*.jpg"))[0].unlink()
    assert run("draw", tmp_path / "set", *options).stdout.startswith("1 photo drawn, 41 were there already: ")
    other = run("draw", tmp_path / "set", *options, "--seed", 1)
    assert other.exit_code == 1
    assert "was drawn with other settings, see drawn.json there; give a new folder" in other.stderr


def test_draw_names_a_place_where_it_cannot_write(tmp_path, run):
    (tmp_path / "file").touch()
    result = run("draw", tmp_path / "file/set", "--workers", 1)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"{tmp_path}/file/set: cannot be a folder, as {tmp_path}/file is a file; name" in result.stderr
