"""A small kit of MegaFace: features of three people and 120 distractors, lists, noise lists."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from sphereface_plus.data.formats.megaface_features import write_feature

PEOPLE = {"Ann": 4, "Bob": 3, "Cy": 2}
NUM_DISTRACTORS = 120


@pytest.fixture(scope="module")
def whole_kit(tmp_path_factory):
    """Features, lists and noise lists. Bob's photo 2 is of a stranger, who is a distractor."""
    root, rng = tmp_path_factory.mktemp("kit"), np.random.default_rng(0)
    lists = root / "lists"
    lists.mkdir()
    paths, people = [], []
    for person, count in PEOPLE.items():
        centre = 3 * rng.standard_normal(16)
        for number in range(count):
            path = f"{person}/{person}_{number}.png"
            paths.append(path)
            people.append(person)
            write_feature(root / "probes" / f"{path}_m.bin", centre + 0.3 * rng.standard_normal(16))
    strangers = [f"{n % 7:03d}/{n}@N00/{n}_0.jpg" for n in range(NUM_DISTRACTORS)]
    for path in strangers:
        write_feature(root / "distractors" / f"{path}_m.bin", rng.standard_normal(16))
    stranger = rng.standard_normal(16)
    write_feature(root / "probes/Bob/Bob_2.png_m.bin", stranger)
    write_feature(root / f"distractors/{strangers[3]}_m.bin", stranger + 1e-3 * rng.standard_normal(16))
    (lists / "facescrub_features_list.json").write_text(json.dumps({"path": paths, "id": people}))
    for size in (10, 100):
        for number, order in ((1, strangers), (2, strangers[::-1])):
            name = f"megaface_features_list.json_{size}_{number}"
            (lists / name).write_text(json.dumps({"path": order[:size]}))
    (root / "probe_noise.txt").write_text("#\nBob_2.png\nZoe_1.png\n")
    (root / "distractor_noise.txt").write_text(f"#\n{strangers[3]}\n")
    return root


@pytest.fixture
def kit(whole_kit, tmp_path):
    shutil.copytree(whole_kit, tmp_path / "kit")
    return tmp_path / "kit"
