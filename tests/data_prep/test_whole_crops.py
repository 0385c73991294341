"""What `pairs` does with photos that are not aligned, and with images that are broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from data_prep.__main__ import main
from sphereface_plus.data.formats.manifest import ManifestRow, write_manifest
from tests.data_prep.small_crops import write_crop


def pairs(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pairs", *map(str, arguments)])


def people(root: Path, *sizes: tuple[int, int]) -> Path:
    """Twelve people of four images, which take the sizes in turn."""
    for number in range(48):
        write_crop(root / f"p{number // 4:02}/{number % 4}.png", number, sizes[number % len(sizes)])
    return root


@pytest.mark.parametrize(
    ("sizes", "said"),
    [([(250, 250)], "the images are 250x250"), ([(50, 60), (80, 70), (90, 90)], "the images are of 3 sizes")],
)
def test_photos_are_refused_and_nothing_is_said_that_a_training_would_take_them_by(tmp_path, sizes, said):
    photos = people(tmp_path / "my photos", *sizes)
    result = pairs(photos, tmp_path / "mine")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {photos}: these look like photos ({said}, crops are 112x96 or 112x112): align them first, "
        f"python -m data_prep align '{photos}' CROPS, and give CROPS here; crops of a template of your own "
        "need a manifest.csv that names it\n"
    )
    assert not (tmp_path / "mine").exists()


def test_crops_of_a_template_of_ones_own_are_taken_with_its_manifest(tmp_path):
    crops = people(tmp_path / "crops", (50, 60))
    numbers: list[Any] = [50, 60, *[float("nan")] * 5, *[1.0] * 10]
    rows = [
        ManifestRow(f"p{n // 4:02}/{n % 4}.png", f"p{n // 4:02}", "s.jpg", "given", "mine_50x60", *numbers)
        for n in range(48)
    ]
    write_manifest(crops / "manifest.csv", rows)
    result = pairs(crops, tmp_path / "mine")
    assert result.exit_code == 0, result.output
    expected = (
        "--set network.input.template=mine_50x60 --set network.input.height=50 --set network.input.width=60"
    )
    assert expected in result.stdout


def test_broken_images_are_in_no_pair_and_are_named(tmp_path):
    crops = people(tmp_path / "crops", (112, 96))
    whole = (crops / "p03/0.png").read_bytes()
    (crops / "p00/0.png").write_bytes(b"")  # the first of all
    (crops / "p03/0.png").write_bytes(whole[: len(whole) // 2])
    (crops / "p07/9.jpg").write_text("a text that is named as an image is")
    write_crop(crops / "p09/2.png", 1, (120, 96))
    result = pairs(crops, tmp_path / "mine")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    at = lines.index("  4 images in no pair, and a training would stop there:")
    assert lines[at + 1 : at + 5] == [
        f"    {crops}/p00/0.png: cannot be read as an image",
        f"    {crops}/p03/0.png: cannot be read as an image",
        f"    {crops}/p07/9.jpg: cannot be read as an image",
        f"    {crops}/p09/2.png: is 120x96, most are 112x96",
    ]
    assert lines[at + 5 :] == [
        "next: take them out, as the doctor proposes, and give this command again",
        f"  python -m data_prep doctor {crops} reports/mine",
    ]
    assert "not compared" not in result.stdout
    for name in ("p00/0.png", "p03/0.png", "p07/9.jpg", "p09/2.png"):
        (crops / name).unlink()
    without = pairs(crops, tmp_path / "without")
    assert "next: train on the others, and verify" in without.stdout
    for name in ("pairs.csv", "verified.txt"):
        assert (tmp_path / "mine" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_of_many_broken_images_a_few_are_named_and_all_are_counted(tmp_path):
    crops = people(tmp_path / "crops", (112, 96))
    for number in range(7):
        (crops / f"p{number:02}/0.png").write_bytes(b"x")
    said = pairs(crops, tmp_path / "mine").stdout.splitlines()
    at = said.index("  7 images in no pair, and a training would stop there:")
    assert said[at + 5 : at + 7] == [f"    {crops}/p04/0.png: cannot be read as an image", "    and 2 more"]
