"""Each loss trains a small network on twenty people; it then verifies twenty others better than pixels do.

Half of the ORL faces, as crops of 28x24 without alignment, and a few seconds of training each: what is shown
is that every loss learns something about faces, not which one is best.
"""

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from sphereface_plus import config
from sphereface_plus.embedding import Embedder
from sphereface_plus.training.run import train

pytestmark = [pytest.mark.slow, pytest.mark.real_data, pytest.mark.timeout(900)]

HEIGHT, WIDTH = 28, 24

# Scales and margins for twenty people and 40 to 70 steps: areas of 0.931 or more, where pixels have 0.915.
BY_LENGTH = {
    "softmax": {"bias": True},
    "softmax_center": {},
    "softmax_contrastive": {},
    "l_softmax": {"margin": 2, "lambda_gamma": 1.0, "lambda_power": 1.0, "lambda_min": 5.0},
    "a_softmax": {"lambda_gamma": 1.0},
    "am_softmax_unnormalised": {"margin_growth": 0.002},
}
BY_ANGLE = {
    "am_softmax": {"margin_cosine": 0.2},
    "arcface": {"margin_radians": 0.2},
    "curricularface": {"margin_radians": 0.2},
    "adaface": {"margin": 0.2},
    "magface": {
        "length_min": 1.0,
        "length_max": 11.0,
        "margin_min": 0.1,
        "margin_max": 0.3,
        "length_weight": 1.0,
    },
    "sphereface_r": {"margin": 1.3, "loss_weight": 16.0},
    "sphereface2": {"margin": 0.2, "loss_weight": 5.0},
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread_for_all():
    """Also for what fixtures train."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def orl(shared_data, tmp_path_factory):
    """Folder of training crops; of the other people crops (200, 28, 24, 3), photos (200, 112, 92), labels."""
    root = tmp_path_factory.mktemp("orl")
    people = sorted(path for path in (shared_data / "orl").iterdir() if path.is_dir())
    crops, photos, labels = [], [], []
    for number, person in enumerate(people):
        for path in sorted(person.glob("*.pgm")):
            photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
            crop = cv2.resize(photo, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            if number < 20:
                (root / person.name).mkdir(exist_ok=True)
                cv2.imwrite(str(root / person.name / f"{path.stem}.png"), crop)
            else:
                crops.append(crop)
                photos.append(photo[..., 0])
                labels.append(number)
    return root, np.stack(crops), np.stack(photos), np.array(labels)


def area_under_roc(embeddings, people):
    """Over all pairs, by their cosine."""
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(people), 1)
    return roc_auc_score(people[first] == people[second], (units @ units.T)[first, second])


@pytest.fixture(scope="module")
def pixels(orl):
    _, _, photos, people = orl
    return area_under_roc(photos.reshape(len(photos), -1) - 127.5, people)


@pytest.fixture(scope="module")
def run(orl, tmp_path_factory):
    """run(loss, steps, learning_rate) -> folder of the trained network."""
    folder = tmp_path_factory.mktemp("runs")

    def make(loss, *, steps, learning_rate, images_per_identity=2, **settings):
        tree = {
            "name": "-".join(str(value) for value in loss.values() if isinstance(value, str)),
            "data": {"path": str(orl[0]), "shift": 2, "images_per_identity": images_per_identity},
            "network": {
                "name": "sphereface4",
                "embedding_size": 64,
                "input": {"template": "orl", "height": HEIGHT, "width": WIDTH},
            },
            "loss": loss,
            "optimizer": {
                "learning_rate": learning_rate,
                "milestones": [steps * 4 // 5],
                "clip_norm": 5.0,
            },
            "train": {
                "steps": steps,
                "batch_size": 10 * images_per_identity,
                "log_every": 100,
                "device": "cpu",
                "precision": "fp32",
            },
            **settings,
        }
        return train(config.from_dict(tree), folder / tree["name"]).folder

    return make


@pytest.fixture(scope="module")
def start(run):
    return run({"kind": "softmax", "bias": True}, steps=70, learning_rate=0.03)


def quality(folder, orl):
    _, crops, _, people = orl
    return area_under_roc(Embedder.load(folder)(crops[..., ::-1]), people)


def test_softmax_verifies_other_people_better_than_pixels(start, orl, pixels):
    assert quality(start, orl) > pixels


@pytest.mark.parametrize("kind", [kind for kind in BY_LENGTH if kind != "softmax"])
def test_a_loss_of_long_embeddings_verifies_other_people_better_than_pixels(kind, run, orl, pixels):
    folder = run({"kind": kind, **BY_LENGTH[kind]}, steps=70, learning_rate=0.03)
    assert quality(folder, orl) > pixels


def test_sphereface_plus_verifies_other_people_better_than_pixels(run, orl, pixels):
    loss = {"kind": "a_softmax", **BY_LENGTH["a_softmax"]}
    folder = run(loss, steps=70, learning_rate=0.03, name="sphereface_plus", mhe={"weight": 10.0})
    assert quality(folder, orl) > pixels


@pytest.mark.parametrize("kind", BY_ANGLE)
def test_a_loss_of_unit_embeddings_verifies_other_people_better_than_pixels(kind, run, orl, pixels):
    folder = run({"kind": kind, "scale": 16.0, **BY_ANGLE[kind]}, steps=50, learning_rate=0.01)
    assert quality(folder, orl) > pixels


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
def test_triplets_fine_tuned_from_softmax_verify_other_people_better_than_pixels(
    mining, run, start, orl, pixels
):
    folder = run(
        {"kind": "triplet", "mining": mining},
        steps=40,
        learning_rate=0.003,
        images_per_identity=4,
        init_from=str(start),
        reset_head=True,
    )
    assert quality(folder, orl) > pixels
