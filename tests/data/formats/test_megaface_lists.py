"""Template lists and noise lists of MegaFace: read as published, matched by name, refused in a sentence."""

import json

import pytest

from sphereface_plus.data.formats.keys import photo_key
from sphereface_plus.data.formats.megaface_lists import (
    MegaFaceError,
    distractor_lists,
    read_noise_list,
    read_template_list,
)


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_list_of_probes_gives_paths_and_whose_they_are(tmp_path):
    file = written(
        tmp_path / "facescrub_features_list.json",
        {"path": ["Adam_Brody/Adam_Brody_259.png", "B/B_1.png"], "id": ["Adam_Brody", "B"]},
    )
    found = read_template_list(file)
    assert found.paths == ["Adam_Brody/Adam_Brody_259.png", "B/B_1.png"]
    assert found.people == ["Adam_Brody", "B"]
    assert read_template_list(written(file, {"path": ["a/b/c_0.jpg"]})).people is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a template list, JSON with the field path, or was cut off; copy it again"),
        ("[" * 100_000, "is not a template list, JSON with the field path"),
        ([], "its field path has to be a list of paths, and not empty"),
        ({"path": []}, "its field path has to be a list of paths, and not empty"),
        ({"path": [1]}, "its field path has to be a list of paths, and not empty"),
        ({"path": ["../a.png"]}, "'../a.png' is not a path below the images' folder"),
        ({"path": ["/a.png"]}, "'/a.png' is not a path below the images' folder"),
        ({"path": ["a.png", "b.png", "a.jpg"]}, "holds 1 image several times \\(a\\); each counts once"),
        ({"path": ["a.png"], "id": ["A", "B"]}, "field id has to be a list of names, one for each path"),
    ],
)
def test_another_file_is_refused(tmp_path, content, message):
    with pytest.raises(MegaFaceError, match=message):
        read_template_list(written(tmp_path / "list.json", content))


def test_lists_of_distractors_are_found_by_set_and_size(tmp_path):
    for name in ("json_1000_1", "json_10_1", "json_10_2", "json", "json_100"):
        (tmp_path / f"megaface_features_list.{name}").touch()
    found = distractor_lists(tmp_path)
    assert {number: list(sizes) for number, sizes in found.items()} == {1: [10, 1000], 2: [10]}
    assert found[2][10].name == "megaface_features_list.json_10_2"
    (tmp_path / "no_noise.json_10_1").touch()
    with pytest.raises(MegaFaceError, match="lists of several kinds, megaface_features_list, no_noise"):
        distractor_lists(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MegaFaceError, match="holds no list of distractors"):
        distractor_lists(tmp_path / "empty")


def test_a_noise_list_is_matched_by_a_photos_last_parts_whatever_its_suffix(tmp_path):
    file = written(
        tmp_path / "noise.txt",
        "# some\nAaron_Eckhart_136.png\nx\t375/375@N00/417_0.jpg\nTwo Words_1.jpeg\n",
    )
    found = read_noise_list(file)
    assert found.noise_of("Aaron_Eckhart/Aaron_Eckhart_136") == "Aaron_Eckhart_136"
    assert found.noise_of("crops/375/375@N00/417_0") == "375/375@N00/417_0"
    assert found.noise_of("Two_Words/Two_Words_1") == "Two_Words_1"
    assert found.noise_of("376/375@N00/417_0") is None
    assert found.noise_of("Aaron_Eckhart/Aaron_Eckhart_13") is None
    with pytest.raises(MegaFaceError, match="the noise list is empty"):
        read_noise_list(written(tmp_path / "noise.txt", "# nothing\n"))
    with pytest.raises(MegaFaceError, match="cannot be read"):
        read_noise_list(tmp_path / "none.txt")


def test_names_of_people_are_those_with_a_persons_name_or_accounts_folder(tmp_path):
    noise = read_noise_list(
        written(tmp_path / "noise.txt", "Ann_Lee_1.png\nAnn_2.png\n1/11@N00/5_0.jpg\n1/12@N00/5_0.jpg\n")
    )
    assert noise.names_of_people(["Ann_Lee/Ann_Lee_7", "Bob/Bob_2"]) == {"Ann_Lee_1"}
    assert noise.names_of_people(["images/1/11@N00/9_3"]) == {"1/11@N00/5_0"}
    assert noise.names_of_people(["Zoe/Zoe_1"]) == set()


def test_the_published_noise_lists_match_24_of_the_probes(shared_data):
    folder = shared_data / "megaface"
    probes = [line.split()[0] for line in (folder / "facescrub2template_name.txt").read_text().splitlines()]
    noise = read_noise_list(folder / "facescrub_noises.txt")
    assert (len(probes), len(noise.names)) == (3530, 605)
    assert sum(noise.noise_of(photo_key(path)) is not None for path in probes) == 24
    of_people = noise.names_of_people(photo_key(path) for path in probes)  # 24 of 87 that can match
    assert (len(of_people), "Aaron_Eckhart_136" in of_people) == (87, False)
    assert len(read_noise_list(folder / "megaface_noises.txt").names) == 707  # 719 lines, 12 of them twice
