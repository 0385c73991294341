"""The command from end to end, in small, and its refusals."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.path_checks import PlaceError
from sphereface_plus.sphere.command import sphere


def run(*arguments):
    return CliRunner().invoke(sphere, [str(argument) for argument in arguments], standalone_mode=False)


def succeed(*arguments):
    result = run(*arguments)
    if result.exception:
        raise result.exception
    return result.output


def test_points_writes_the_points_the_energies_and_the_known_minimum(tmp_path):
    output = succeed("points", 6, "--power", 2, "--starts", 2, "--out", tmp_path)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == [
        "plot.md", "plot.png", "points.csv", "report.json"
    ]  # fmt: skip
    with (tmp_path / "points.csv").open() as file:
        points = torch.tensor([[float(x) for x in row.values()] for row in csv.DictReader(file)]).double()
    report = json.loads((tmp_path / "report.json").read_text())
    assert points.shape == (6, 3)
    energy = hyperspherical_energy(points, power=2.0, reduction="sum").item()
    assert report["energies"]["s=2"]["sum"] == pytest.approx(energy, rel=1e-6)
    assert report["found"] == pytest.approx(6.75)
    assert report["known"] == {"value": pytest.approx(6.75), "source": "proven", "proven": True}
    assert report["smallest_angle_degrees"] == pytest.approx(90)
    assert len(report["of_starts"]) == 2
    assert "minimum: 6.75 (proven)" in output
    assert "2 of 2 random starts and 1 of 1 antipodal starts ended there" in output
    assert "proves nothing" not in output  # the minimum is proven, and reached


def test_points_of_the_tammes_problem_have_an_angle(tmp_path):
    output = succeed("points", 4, "--power", "inf", "--starts", 1, "--out", tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["power"] == "inf"
    assert report["found"] == report["smallest_angle_degrees"] == pytest.approx(109.4712206, abs=1e-3)
    assert re.search(r"smallest angle: 109\.47\d*°\nmaximum: 109\.47122\d°", output)


@pytest.mark.parametrize(
    "options",
    [("--dimensions", 2), ("--dimensions", 5), ("--half-space", "--distance", "angular")],
)
def test_points_are_drawn_in_any_dimension_and_half_space(tmp_path, options):
    output = succeed("points", 9, "--starts", 1, "--out", tmp_path, *options)
    assert (tmp_path / "plot.png").stat().st_size > 5000
    assert ("no known minimum" in output) == ("2" not in map(str, options))
    caption = (tmp_path / "plot.md").read_text()
    assert ("opposites (pink)" in caption) == ("--half-space" in options)


def test_the_same_command_writes_the_same_files(tmp_path):
    for folder in ("a", "b"):
        succeed("points", 5, "--starts", 1, "--out", tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_figure_writes_picture_data_and_caption(tmp_path):
    output = succeed("figure", 2, "--steps", 20, "--out", tmp_path)
    files = sorted(path.name for path in tmp_path.glob("[!.]*"))
    assert files == ["figure2.csv", "figure2.md", "figure2.png"]
    assert output.startswith("# Figure 2\n\nTwo neurons in two dimensions, 20 steps")


def test_limits_writes_both_tables(tmp_path, monkeypatch):
    monkeypatch.setattr("sphereface_plus.sphere.command.RANDOM_POINTS", 50)
    succeed("limits", "--largest", 16, "--starts", 1, "--out", tmp_path)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == [
        "growth.csv", "growth.md", "growth.png", "random.csv", "random.md", "random.png"
    ]  # fmt: skip
    with (tmp_path / "growth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["power"]), int(row["num_points"])) for row in rows] == [
        (s, n) for s in (1, 2, 4) for n in (8, 16)
    ]
    assert float(rows[1]["extrapolated"]) == pytest.approx(1, abs=0.01)
    caption = (tmp_path / "random.md").read_text()
    assert "50 independent uniform points" in caption


def test_figures_share_a_folder_and_none_is_drawn_over_another_or_over_what_is_not_theirs(tmp_path):
    for number, seed in ((1, 0), (2, 0), (1, 0)):
        succeed("figure", number, "--steps", 20, "--seed", seed, "--out", tmp_path)
    caption = (tmp_path / "figure1.md").read_text()
    with pytest.raises(PlaceError) as refusal:
        succeed("figure", 1, "--steps", 20, "--seed", 3, "--out", tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path / 'figure1.png'}: holds the result of sphereface-plus sphere figure, and this would be "
        "another: seed 0 -> 3; name another file, or move this one away"
    )
    assert (tmp_path / "figure1.md").read_text() == caption
    (tmp_path / "figure2.md").write_text("my own words")
    with pytest.raises(PlaceError, match=r"figure2\.md: was changed since it was made, and would be lost"):
        succeed("figure", 2, "--steps", 20, "--out", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "name"), [(("figure", 2), "figure2.csv"), (("limits", "--largest", 16), "random.md")]
)
def test_files_that_the_command_did_not_make_are_refused_before_the_work(tmp_path, arguments, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(PlaceError) as refusal:
        succeed(*arguments, "--out", tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path / name}: is there already, and nothing says that this command made it; name another "
        "file, or move this one away"
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("points", 1), "at least two points, got 1"),
        (("points", 5, "--dimensions", 1), "at least two dimensions, got 1"),
        (("points", 1, "--half-space", "--power", "inf"), "no smallest angle to enlarge"),
        (("points", 5, "--starts", 0), "starts must be at least 1, got 0"),
        (("points", 5, "--power", -1), "'-1' is not a power: give a number >= 0, or inf"),
        (("points", 5, "--power", "thomson"), "'thomson' is not a power"),
        (("points", 5, "--power", "nan"), "'nan' is not a power"),
        (("points", 5, "--distance", "chord"), "'chord' is not one of 'euclidean', 'angular'"),
        (("points", 5, "--power", "inf", "--distance", "angular"), "Tammes problem is the same for both"),
        (("figure", 3), "'3' is not one of '1', '2', '5', '6'"),
        (("limits", "--largest", 8), "8 is not in the range x>=16"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(tmp_path, arguments, message):
    result = run(*arguments, "--out", tmp_path / "out")
    assert message in str(getattr(result.exception, "message", result.exception))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("points", 5), ("figure", 2), ("limits",)])
def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, arguments):
    (tmp_path / "file").touch()
    result = run(*arguments, "--out", tmp_path / "file" / "out")
    assert str(result.exception).endswith("file is a file; name another folder")


def test_help_names_the_three_and_needs_no_torch(repository):
    code = (
        "import sys; from sphereface_plus.sphere.command import sphere\n"
        "try: sphere(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True
    )
    for name in ("points", "figure", "limits"):
        assert f"\n  {name} " in result.stdout
    assert result.stdout.endswith("False\n")
