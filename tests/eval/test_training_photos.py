"""A report on photos of the training set says so, by people's names and by the crops themselves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from eval import report as reports
from eval.training_photos import UNKNOWN, compare_with_training
from sphereface_plus import checkpoint, hub
from sphereface_plus.config import from_dict, to_dict
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.pairs import Pairs, read_pairs
from sphereface_plus.data.trained_on import TrainedOn, marks
from sphereface_plus.networks import build_network

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
    assert not compare_with_training(pairs, others, files)["warning"]
    same = TrainedOn(("0", "1", "2"), marks(["0/1"], [50]), complete=True)
    found = compare_with_training(pairs, same, files)
    assert found["people_in_training"] == ["0"]
    assert (found["crops_in_training"], found["pairs_touched"]) == (1, 1)
    assert "1 of 4 crops from the training itself" in found["words"]


def test_pairs_in_no_folders_have_no_people():
    pairs = pairs_of(("00000", "00001"), ("00002", "00003"))
    found = compare_with_training(pairs, TrainedOn(("ann",), NONE, complete=True), None)
    assert (found["people"], found["warning"]) == (0, False)
    assert "is not known" in found["words"]


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
    config = from_dict(
        {
            "name": "tiny",
            "data": {"path": "x"},
            "network": {"name": "sphereface4", "embedding_size": 16},
            "loss": {"kind": "softmax"},
            "optimizer": {"learning_rate": 0.1},
            "train": {"steps": 10, "batch_size": 2},
        }
    )
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
    return reports.read(out)["training"], result.output


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
        assert found["known"] == found["warning"] == head == ("warning: " in output)
