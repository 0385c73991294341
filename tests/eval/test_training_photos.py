"""A report on photos of the training set says so, by people's names and by the crops themselves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data_prep.packing import pack
from eval import report_files
from eval.training_photos import UNKNOWN, about_training, compare_with_training
from sphereface_plus import checkpoint, hub
from sphereface_plus.config import from_dict, to_dict
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.bins import read_bin, write_bin
from sphereface_plus.data.formats.pairs import Pairs, read_pairs
from sphereface_plus.data.trained_on import TrainedOn, marks
from sphereface_plus.networks import build_network
from tests.small_sets import small_recipe

NONE = np.empty(0, dtype=np.int64)


def pairs_of(*pairs: tuple[str, str]) -> Pairs:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    genuine = np.array([a.split("/")[0] == b.split("/")[0] for a, b in pairs])
    return Pairs(first, second, genuine, np.zeros(len(pairs), dtype=int))


PAIRS = pairs_of(("Ann_Lee/1", "Ann_Lee/2"), ("Bo/1", "Cy/1"))


def test_people_are_known_by_their_names_however_spelled():
    found = compare_with_training(PAIRS, TrainedOn(("ann lee", "dan"), NONE, complete=True), None)
    assert found["warning"]
    assert found["people_in_training"] == ["Ann_Lee"]
    assert (found["people"], found["pairs_touched"], found["crops_in_training"]) == (3, 1, None)
    assert found["words"].startswith(
        "1 of 2 pairs hold what the model was trained on: 1 of 3 people trained on, by their names."
    )


def test_other_people_are_said_to_be_others():
    found = compare_with_training(PAIRS, TrainedOn(("dan", "eve"), NONE, complete=True), None)
    assert not found["warning"]
    assert found["words"] == "None of the 3 people is among the 2 trained on, by their names."
    found = compare_with_training(PAIRS, TrainedOn(("dan", "eve"), NONE, complete=False), None)
    assert found["words"].endswith("what the training began with does not say what it was trained on.")


def test_nothing_is_claimed_of_a_model_that_does_not_say_its_training():
    for nothing in (None, TrainedOn((), NONE, complete=False)):
        assert compare_with_training(PAIRS, nothing, None) == {
            "known": False,
            "warning": False,
            "words": UNKNOWN,
        }


def test_numbers_for_names_count_only_where_a_crop_is_the_same(tmp_path):
    pairs = pairs_of(("0/1", "0/2"), ("1/1", "2/1"))
    files = {}
    for key in pairs.photos:
        files[key] = tmp_path / f"{key.replace('/', '_')}.png"
        files[key].write_bytes(b"x" * 50)
    others = TrainedOn(("0", "1", "2"), marks(["0/1"], [49]), complete=True)
    found = compare_with_training(pairs, others, files)
    assert not found["warning"]
    assert found["words"] == (
        "Whether these people were trained on is not known: 3 of 3 identities trained on have a number for a "
        "name, and 3 of 3 people here have a number for a name."
    )
    same = TrainedOn(("0", "1", "2"), marks(["0/1"], [50]), complete=True)
    found = compare_with_training(pairs, same, files)
    assert found["people_in_training"] == ["0"]
    assert (found["crops_in_training"], found["pairs_touched"]) == (1, 1)
    assert "1 of 4 crops from the training itself" in found["words"]


def test_pairs_in_no_folders_have_no_people():
    pairs = pairs_of(("00000", "00001"), ("00002", "00003"))
    found = compare_with_training(pairs, TrainedOn(("ann",), NONE, complete=True), None)
    assert (found["people"], found["warning"]) == (0, False)
    assert found["words"] == (
        "Whether these people were trained on is not known: the names of 4 photos do not say who is on them."
    )


def test_a_person_is_found_in_nested_folders_and_in_names_as_the_pairs_have_them():
    trained_on = TrainedOn(("alice",), NONE, complete=True)
    nested = pairs_of(("alice/v1/1", "alice/v2/1"), ("bob/v1/1", "cy/v1/1"))
    assert compare_with_training(nested, trained_on, None)["people_in_training"] == ["alice"]
    flat = pairs_of(("Alice_0001", "Bo_0001"), ("Alice_0001", "Cy_0001"), ("Alice_0001", "Alice_0002"))
    flat.genuine[:] = [False, False, True]
    assert compare_with_training(flat, trained_on, None)["people_in_training"] == ["Alice"]
    above = pairs_of(("set/alice/1", "set/alice/2"), ("set/bob/1", "set/cy/1"))
    above.genuine[:] = [True, False]
    found = compare_with_training(above, trained_on, None)
    assert (found["people_in_training"], found["pairs_touched"]) == (["alice"], 1)


def test_nobody_is_denied_by_the_names_of_a_training_that_has_numbers():
    found = compare_with_training(PAIRS, TrainedOn(("0000045", "0000099"), NONE, complete=True), None)
    assert found["words"] == (
        "Whether these people were trained on is not known: 2 of 2 identities trained on have a number for a "
        "name."
    )


def test_the_crops_of_a_bin_are_not_denied(trained, tmp_path):
    crops = FaceCrops.open(trained / "crops")
    images = [Path(path).read_bytes() for path in crops.paths[:4]]
    write_bin(tmp_path / "a.bin", [(images[0], images[1]), (images[2], images[3])], [True, False])
    packed = read_bin(tmp_path / "a.bin")
    trained_on = TrainedOn(tuple(crops.identities), crops.marks(), complete=True)
    found = compare_with_training(packed.pairs, trained_on, packed.crops)
    assert found["crops_in_training"] is None
    assert found["words"] == (
        "Whether these people were trained on is not known: the names of 4 photos do not say who is on them."
    )


@pytest.mark.parametrize("name", ["set.rec", "set.tar"])
def test_a_set_has_the_same_marks_however_it_is_packed(trained, tmp_path, name):
    pack(trained / "crops", tmp_path / name)
    folder, packed = (FaceCrops.open(path).marks() for path in (trained / "crops", tmp_path / name))
    assert sorted(packed) == sorted(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint as a run writes it, its crops, and pairs of them."""
    root = tmp_path_factory.mktemp("trained")
    lines = []
    for person in range(4):
        for number in range(6):
            path = root / "crops" / f"person_{person}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = np.random.default_rng(10 * person + number).integers(0, 256, (112, 96, 3))
            cv2.imwrite(str(path), shade.astype(np.uint8))
        for number in range(5):
            lines.append(f"person_{person}/{number}.png person_{person}/{number + 1}.png 1")
            lines.append(f"person_{person}/{number}.png person_{(person + 1) % 4}/{number}.png 0")
    (root / "pairs.txt").write_text("\n".join(lines) + "\n")
    config = from_dict(small_recipe())
    crops = FaceCrops.open(root / "crops")
    payload = {
        "network": build_network(config.network).state_dict(),
        "loss": {"prototypes": torch.randn(4, 16)},
        "config": to_dict(config),
        "step": 10,
        "identities": crops.identities,
        "start": None,
        "trained_on": {
            "identities": crops.identities,
            "crops": torch.from_numpy(np.unique(crops.marks())),
            "complete": True,
        },
    }
    checkpoint.save(root / "mine.pt", payload)
    del payload["trained_on"]
    checkpoint.save(root / "older.pt", payload)
    return root


def measure(trained, model, out, run_eval, images=None):
    result = run_eval(
        *("verify", "--model", model, "--pairs", trained / "pairs.txt"),
        *("--images", images or trained / "crops", "--out", out),
    )
    return report_files.read(out)["training"], result.output


def test_report_page_and_terminal_say_that_the_photos_are_the_trainings(trained, run_eval, tmp_path):
    found, output = measure(trained, trained / "mine.pt", tmp_path, run_eval)
    photos = len(read_pairs(trained / "pairs.txt").photos)
    assert (found["crops_in_training"], found["photos"]) == (photos, photos)
    assert len(found["people_in_training"]) == 4
    assert (found["pairs_touched"], found["pairs"]) == (40, 40)
    assert f"warning: {found['words']}" in output
    page = (tmp_path / "report.html").read_text()
    assert "Not a test." in page
    assert "4 of 4 people trained on" in page


def test_other_crops_of_the_same_people_are_known_by_their_names(trained, run_eval, tmp_path):
    for path in (trained / "crops").rglob("*.png"):
        other = (tmp_path / "other" / path.relative_to(trained / "crops")).with_suffix(".jpg")
        other.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(other), cv2.imread(str(path)))
    found, _ = measure(trained, trained / "mine.pt", tmp_path / "out", run_eval, tmp_path / "other")
    assert (found["crops_in_training"], len(found["people_in_training"])) == (0, 4)


def test_a_checkpoint_of_an_older_version_still_names_its_people(trained, run_eval, tmp_path):
    found, _ = measure(trained, trained / "older.pt", tmp_path, run_eval)
    assert (found["crops_in_training"], len(found["people_in_training"])) == (None, 4)


def test_a_weight_file_tells_it_only_with_the_names_of_its_head(trained, run_eval, tmp_path):
    for head in (True, False):
        file = tmp_path / f"head_{head}.safetensors"
        hub.save_weights(trained / "mine.pt", file, head=head)
        found, output = measure(trained, file, tmp_path / f"out_{head}", run_eval)
        assert found["known"] == found["warning"] == head == (f"warning: {found['words']}" in output)


@pytest.mark.parametrize(
    ("trained_on", "begins"),
    [
        (None, "note: The model does not say what it was trained on: whether these people were"),
        (TrainedOn(("dan", "17"), NONE, complete=True), "note: Whether these people were trained on"),
        (
            TrainedOn(("dan",), NONE, complete=False),
            "note: None of the 3 people is among the 1",
        ),
        (
            TrainedOn(("ann lee",), NONE, complete=True),
            "warning: 1 of 2 pairs hold what the model",
        ),
        (TrainedOn(("dan",), NONE, complete=True), None),
    ],
)
def test_the_terminal_hears_what_is_bad_or_not_known(trained_on, begins):
    training = compare_with_training(PAIRS, trained_on, None)
    said = about_training({"training": training, "model": {"kind": "onnx"}})
    assert said is None if begins is None else str(said).startswith(begins)
    pixels = about_training({"training": training, "model": {"kind": "pixels"}})
    assert pixels == (said if training["warning"] else None)  # nobody trained them
