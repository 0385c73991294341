"""TinyFace and SCface by the commands of docs/identification.md, on small trees of their layouts."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat


def write(path: Path, person: int, noise: int) -> None:
    """A crop that `pixels` takes as it is."""
    face = np.random.default_rng(person).integers(0, 256, (14, 12, 3))
    noisy = np.clip(face + np.random.default_rng(noise).normal(0, 30, face.shape), 0, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(noisy.astype(np.uint8), (96, 112)))


@pytest.fixture
def run_commands(repository, run_eval, monkeypatch):
    """A function that follows, in a folder, the commands of the docs' block that holds `first`."""

    def run(first: str, folder: Path) -> None:
        text = (repository / "docs" / "identification.md").read_text()
        block = next(part for part in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE) if first in part)
        lists, *measured = re.split(r"^    python -m eval ", block, flags=re.MULTILINE)
        shell = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        lines = "".join(line[4:] for line in lists.splitlines(keepends=True))
        subprocess.run(["bash", "-e", "-c", lines], cwd=folder, env=shell, check=True)
        monkeypatch.chdir(folder)
        for command in measured:
            run_eval(*shlex.split(command.replace("runs/mine", "pixels").replace("\\\n", " ")))

    return run


def results_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())["results"]


def test_tinyfaces_lists_are_matlabs_and_its_distractors_have_no_names(tmp_path, run_commands):
    images = {"gallery": {}, "probe": {}}
    for person in range(1, 5):
        for number in range(2):
            images["gallery"][f"{person}_{number}.jpg"] = images["probe"][f"{person}_{number + 2}.jpg"] = (
                person
            )
    for kind, folder, name in (("gallery", "Gallery_Match", "gallery_match"), ("probe", "Probe", "probe")):
        for noise, (image, person) in enumerate(images[kind].items()):
            write(tmp_path / folder / image, person, 100 * len(folder) + noise)
        names = np.array(list(images[kind]), dtype=object)[:, None]
        ids = np.array(list(images[kind].values()), dtype=np.uint16)[:, None]
        savemat(tmp_path / f"{name}_img_ID_pairs.mat", {f"{kind}_set": names, f"{kind}_ids": ids})
    for stranger in range(6):
        write(tmp_path / "Gallery_Distractor" / f"9{stranger}_0_0_frame1.jpg", 50 + stranger, stranger)
    run_commands("from scipy.io import loadmat", tmp_path)
    assert (tmp_path / "probe.txt").read_text().splitlines()[0] == "Probe/1_2.jpg 1"
    results = results_of(tmp_path / "reports" / "tinyface")
    assert [results[name] for name in ("mated", "nonmated", "enrolled", "distractors")] == [8, 0, 8, 6]
    assert results["ranks"][0]["share"] == 1


def test_scfaces_mugshots_are_enrolled_and_each_distance_is_searched_for(tmp_path, run_commands):
    for person in range(1, 5):
        write(tmp_path / "mugshot_frontal_cropped_all" / f"{person:03d}_frontal.JPG", person, person)
        for distance in (1, 2, 3):
            for camera in range(1, 8):  # the last two see infrared
                place = tmp_path / f"surveillance_cameras_distance_{distance}" / f"cam_{camera}"
                write(place / f"{person:03d}_cam{camera}_{distance}.jpg", person, 1000 * person + camera)
    run_commands("mugshot_frontal_cropped_all", tmp_path)
    assert (tmp_path / "gallery.txt").read_text().splitlines()[0] == (
        "mugshot_frontal_cropped_all/001_frontal.JPG 001"
    )
    for distance in (1, 2, 3):
        results = results_of(tmp_path / "reports" / f"scface{distance}")
        assert (results["mated"], results["enrolled"], results["ranks"][0]["share"]) == (20, 4, 1)
