"""The lists of docs/results/identify_lfw are those that its committed report was measured with."""

from __future__ import annotations

import gzip
import json
import random
import runpy

import numpy as np
import pytest

from sphereface_plus.data.formats.embeddings import read_embeddings, write_embeddings


@pytest.fixture
def script(repository):
    return runpy.run_path(str(repository / "docs" / "results" / "identify_lfw" / "lists.py"))


def test_each_photo_is_in_the_lists_that_it_belongs_to(script):
    photos = {"Ann": ["Ann_0001", "Ann_0002", "Ann_0003"], "Bo": ["Bo_0001"], "Wang_Nan": ["Wang_Nan_0001"]}
    lists = {name: [photo for photo, _ in rows] for name, rows in script["lists_of"](photos).items()}
    assert lists == {
        "gallery": ["Ann_0001"],
        "probes": ["Ann_0002", "Ann_0003", "Bo_0001", "Wang_Nan_0001"],
        "probes_others": ["Ann_0002", "Ann_0003", "Bo_0001"],
        "all": ["Ann_0001", "Ann_0002", "Ann_0003"],
        "others": ["Bo_0001", "Wang_Nan_0001"],
    }


@pytest.mark.real_data
def test_the_probes_are_those_of_the_committed_report(script, repository, shared_data, tmp_path):
    """The report has numbers for names: the people's by their order, and their photos'."""
    script["main"](shared_data / "lfw" / "images", tmp_path)
    people: dict[str, list[str]] = {}
    expected, other_than_mate = [], {}
    for line in (tmp_path / "probes.txt").read_text().splitlines():
        photo, person = line.rsplit(" ", 1)
        people.setdefault(person, []).append(photo)
        expected.append(f"{len(people):04d}/{len(people[person]):04d}")
    packed = repository / "docs" / "results" / "identify_lfw" / "report.json.gz"
    searches = json.loads(gzip.decompress(packed.read_bytes()))["per_search"]
    assert searches["probe"] == expected
    names = list(people)
    for number, other in zip(searches["person"], searches["other"], strict=True):
        if other.isdecimal():
            other_than_mate[names[int(number) - 1]] = names[int(other) - 1]
    double = [other_than_mate[name] for name in script["DOUBLE_NAMES"]]
    assert double == ["Hassan_Wirajuda", "Mireya_Moscoso", "Choi_Sung-hong", "Nan_Wang", "Wang_Yingfan"]


def test_the_kits_lists_hold_people_of_many_photos_and_orders_of_the_faces(repository, tmp_path, capsys):
    script = runpy.run_path(str(repository / "docs" / "results" / "identify_lfw" / "megaface_lists.py"))
    photos = {"Ann": 20, "Bo": 19, "Cy": 30}
    manifests = {
        "lfw": [(f"{name}/{n}.png", name) for name, count in photos.items() for n in range(count)],
        "celeba": [(f"{n:06d}.png", str(n % 7)) for n in range(120)],
    }
    for name, rows in manifests.items():
        (tmp_path / name).mkdir()
        lines = "".join(f"{path},{person}\n" for path, person in rows)
        (tmp_path / name / "manifest.csv").write_text(f"path,identity\n{lines}")
    script["main"](tmp_path)
    for kit, people in ("kit", ["Ann", "Cy"]), ("kit_others", ["Ann"]):
        probes = json.loads((tmp_path / kit / "facescrub_features_list.json").read_text())
        assert probes["id"] == [name for name in people for _ in range(photos[name])]
        assert probes["path"] == [f"{name}/{n}.png" for name in people for n in range(photos[name])]
    assert capsys.readouterr().out.endswith("kit_others: 20 photos of 1 people\n")
    faces = [path for path, _ in manifests["celeba"]]
    for number in (1, 2, 3):
        expected = list(faces)
        random.Random(number).shuffle(expected)
        for size in (10, 100, 1000):
            for kit in ("kit", "kit_others"):
                file = tmp_path / kit / f"megaface_features_list.json_{size}_{number}"
                assert json.loads(file.read_text())["path"] == expected[:size]


def test_embeddings_of_all_photos_are_given_out_by_the_lists_in_their_order(script, repository, tmp_path):
    photos = {"Ann": ["Ann_0001", "Ann_0002", "Ann_0003"], "Bo": ["Bo_0001"], "Cy": ["Cy_0001", "Cy_0002"]}
    for name, rows in script["lists_of"](photos).items():
        lines = "".join(f"lfw/{person}/{photo}.png {person}\n" for photo, person in rows)
        (tmp_path / f"{name}.txt").write_text(lines)
    keys = [f"{person}/{photo}" for person, of in photos.items() for photo in of][::-1]
    rows = np.random.default_rng(0).standard_normal((len(keys), 4)).astype(np.float32)
    write_embeddings(tmp_path / "dlib.npz", keys, rows, {"flip": "none"})
    given_out = runpy.run_path(str(repository / "docs/results/identify_lfw/npz_of_lists.py"))
    given_out["main"](tmp_path / "dlib.npz", tmp_path, tmp_path / "out")
    for name in ("gallery", "probes", "probes_others", "all", "others"):
        found, of_list, meta = read_embeddings(tmp_path / "out" / name / "dlib.npz")
        lines = (tmp_path / f"{name}.txt").read_text().splitlines()
        assert found == [line.split(" ")[0].removesuffix(".png") for line in lines]
        expected = [rows[keys.index(key.removeprefix("lfw/"))] for key in found]
        np.testing.assert_array_equal(of_list, expected)
        assert meta["flip"] == "none"
