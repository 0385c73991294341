import re

import numpy as np
import pytest
import torch

from data_prep.packing import make_bin
from sphereface_plus.config import ConfigError, InputSpec, ValidationConfig, from_dict
from sphereface_plus.data.crops import SpecError
from sphereface_plus.data.formats.pairs import PairsError, read_pairs
from sphereface_plus.kfold import kfold_accuracy
from sphereface_plus.training.run import train
from sphereface_plus.training.validation import PairsValidation

SPEC = InputSpec(template="test_32x32", height=32, width=32)


@pytest.fixture
def pairs(tmp_path):
    lines = []
    for n in range(5):
        for first, second in ((1, 2), (3, 4)):
            lines.append(f"person_{n}/person_{n}_000{first} person_{n}/person_{n}_000{second} 1")
            lines.append(f"person_{n}/person_{n}_000{first} person_{n + 1}/person_{n + 1}_000{second} 0")
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines))
    return path


def validation(pairs, images, spec=SPEC):
    return PairsValidation(ValidationConfig(pairs=str(pairs), images=str(images)), spec, torch.device("cpu"))


def tells_people_apart(images):
    """The crops of a person share a coarse pattern; its 4x4 means tell all six people apart."""
    coarse = torch.nn.functional.avg_pool2d(images, 8).flatten(1)
    return coarse - coarse.mean(dim=1, keepdim=True)


def one_pixel(images):
    return images[:, :, 3, 3]


def sees_nothing(images):
    return torch.ones(len(images), 4)


def test_a_network_that_tells_all_people_apart_has_accuracy_one(pairs, crops):
    assert validation(pairs, crops)(tells_people_apart)["validation/accuracy"] == 1.0


def test_a_network_that_sees_nothing_guesses(pairs, crops):
    scalars = validation(pairs, crops)(sees_nothing)
    assert scalars["validation/accuracy"] == pytest.approx(0.5, abs=0.11)


def test_the_network_sees_each_photo_once_in_its_input_spec(pairs, crops):
    seen = []

    def network(images):
        seen.append(images)
        return images.flatten(1)

    validation(pairs, crops)(network)
    images = torch.cat(seen)
    assert images.shape == (22, 3, 32, 32)  # four photos of five people, two of the sixth
    assert images.dtype == torch.float32
    assert float(images.abs().max()) <= 1


def test_pairs_without_crops_are_named(tmp_path, crops):
    path = tmp_path / "pairs.txt"
    path.write_text("person_0/person_0_0001 nobody/nobody_0001 0\n")
    with pytest.raises(PairsError, match=r"1 of 2 photos have no crop in .* the first is nobody/nobody_0001"):
        validation(path, crops)


def test_crops_of_another_size_are_refused(pairs, crops):
    with pytest.raises(SpecError, match="112x96"):
        validation(pairs, crops, InputSpec())


def test_a_bin_gives_the_pairs_and_their_crops(pairs, crops, tmp_path):
    make_bin(crops, pairs, tmp_path / "a.bin")
    config = ValidationConfig(pairs=str(tmp_path / "a.bin"))
    found = PairsValidation(config, SPEC, torch.device("cpu"))
    assert found(tells_people_apart)["validation/accuracy"] == 1.0
    few = [found(network)["validation/accuracy"] for network in (one_pixel, sees_nothing)]
    listed = validation(pairs, crops)
    assert few == [listed(network)["validation/accuracy"] for network in (one_pixel, sees_nothing)]
    with pytest.raises(SpecError, match=r"a\.bin: expected sphereface_112x96 crops of 112x96 .*of 32x32"):
        PairsValidation(config, InputSpec(), torch.device("cpu"))


def test_a_list_whose_folds_hold_one_kind_is_refused(tmp_path, crops):
    path = tmp_path / "pairs.txt"
    path.write_text("person_0/person_0_0001 person_0/person_0_0002 1 1\n"
                    "person_0/person_0_0001 person_1/person_1_0001 0 2\n")  # fmt: skip
    with pytest.raises(PairsError, match=r"pairs\.txt: fold 1 holds genuine pairs only"):
        validation(path, crops)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {"pairs": "a.bin", "images": "crops"},
            "validation.images has no effect with validation.pairs: a .bin",
        ),
        ({"pairs": "pairs.txt"}, "validation.images is needed: the crops of the pairs in validation.pairs"),
    ],
)
def test_crops_are_named_for_a_list_and_only_for_a_list(recipe, tree, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        from_dict(recipe(validation=tree))


def test_folds_of_the_pairs_file_are_used(tmp_path, crops, monkeypatch):
    lines = ["2\t1"]
    lines += ["person_0\t1\t2", "person_0\t1\tperson_1\t1"]
    lines += ["person_2\t1\t2", "person_2\t1\tperson_3\t1"]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines))
    used = []

    def spy(scores, genuine, fold):
        used.append(np.asarray(fold))
        return kfold_accuracy(scores, genuine, fold)

    monkeypatch.setattr("sphereface_plus.training.validation.kfold_accuracy", spy)
    validation(path, crops)(lambda images: images.flatten(1))
    np.testing.assert_array_equal(used, [read_pairs(path).fold])
    assert used[0].tolist() == [0, 0, 1, 1]


def test_a_run_says_that_it_validates_on_people_who_are_trained_on(pairs, crops, tiny, tmp_path, capsys):
    settings = {"train.steps": 1, "optimizer.milestones": []}
    settings |= {"validation.pairs": str(pairs), "validation.images": str(crops), "validation.every": 1}
    train(tiny(**settings), tmp_path / "all")
    assert (
        "note: 6 of 6 people in validation.pairs are trained on, by their names: " in capsys.readouterr().err
    )
    train(tiny(**settings, **{"data.exclude": ["person_0", "person_1"]}), tmp_path / "less")
    assert "note: 4 of 6 people in validation.pairs" in capsys.readouterr().err
