from dataclasses import replace
from pathlib import Path

import pytest

from eval.gan.arms import arms_of, compared, labels_of
from eval.gan.errors import GeneratorError
from eval.gan.generators import Generator
from tests.training.gan_set import gan_config


def runs_of(*changes):
    """Generators without a network, of these settings."""
    return [
        Generator(None, None, "", gan_config(**some), some.get("train.steps", 6), False, None)
        for some in changes
    ]


def scored(seed, distance, recall=0.5):
    scores = {
        "class_score": None,
        "frechet_distance": {"value": distance},
        "kernel_distance": {"value": distance / 10},
        "precision_recall": {"precision": 0.9, "recall": recall, "images": 10},
    }
    return {"seed": seed, "scores": {"space": scores}}


def test_runs_that_differ_in_the_seed_alone_are_one_arm():
    runs = runs_of(
        {"seed": 0, "name": "one", "data.path": "here"},
        {"seed": 1, "name": "two", "data.path": "there", "train.log_every": 3},
        {"seed": 0, "mhe.weight": 1.0},
    )
    arms = arms_of(runs)
    assert [arm.runs for arm in arms] == [[0, 1], [2]]
    assert labels_of(arms, runs) == ["MHE 0.5", "MHE 1"]


def test_two_runs_of_one_seed_and_the_same_settings_are_refused():
    runs = runs_of({"seed": 3}, {"seed": 4}, {"seed": 3, "name": "again", "data.path": "elsewhere"})
    runs = [replace(run, place=Path(name)) for run, name in zip(runs, "abc", strict=True)]
    message = (
        "^a and c: both are of seed 3, step 6 and the same settings; give one of them, or measure each alone$"
    )
    with pytest.raises(GeneratorError, match=message):
        arms_of(runs)


def test_another_step_is_another_arm():
    runs = runs_of({"train.steps": 4}, {"train.steps": 8})
    assert labels_of(arms_of(runs), runs) == ["step 4", "step 8"]


def test_an_arm_is_called_by_what_it_has_and_others_have_not():
    normalised = [
        {"network.discriminator_normalisation": "none"},
        {"network.discriminator_normalisation": "spectral", "mhe.weight": 1.0},
    ]
    runs = runs_of(*normalised)
    assert labels_of(arms_of(runs), runs) == ["MHE 0.5, no normalisation", "MHE 1, spectral"]
    assert labels_of(arms_of(runs[:1]), runs[:1]) == ["tiny"]


def test_differences_are_paired_by_seed_with_a_t_interval():
    runs = runs_of(
        *({"seed": s, "mhe.weight": w} for w in (0.0, 1.0) for s in (0, 1, 2)), {"mhe.weight": 2.0}
    )
    distances = [10.0, 20.0, 30.0, 9.0, 18.5, 28.5, 5.0]
    records = [scored(run.config.seed, value) for run, value in zip(runs, distances, strict=True)]
    arms = arms_of(runs)
    base, one, other = compared(arms, labels_of(arms, runs), records, "space")
    assert base["seeds"] == [0, 1, 2]
    assert base["frechet_distance"] == {"mean": 20.0, "sd": 10.0, "difference": None}
    difference = one["frechet_distance"]["difference"]
    # -1, -1.5, -1.5: mean -4/3, standard error 1/6, Student's t with 2 degrees of freedom 4.3027
    assert difference["mean"] == pytest.approx(-4 / 3)
    assert (difference["low"], difference["high"]) == pytest.approx(
        (-4 / 3 - 4.30265 / 6, -4 / 3 + 4.30265 / 6)
    )
    assert difference["seeds"] == [0, 1, 2]
    assert one["class_score"] == {"mean": None, "sd": None, "difference": None}
    assert other["frechet_distance"] == {"mean": 5.0, "sd": None, "difference": None}  # of one seed
