"""Every study of configs/paper loads, and each of its runs is a valid config that differs where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eval.study.chains import DIVERGED
from eval.study.spec import Study, arm_config, first_config, load_study, start_config, studies
from eval.study.weights import of_gradients, probe_settings
from sphereface_plus.config import ASoftmaxConfig, ConfigError, to_dict
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.reproduce.face_tables import face_studies
from sphereface_plus.training.folder import DivergedError, differences

DATA = Path("crops")
TREE = {
    "title": "T",
    "start": "a.yaml",
    "arm": "b.yaml",
    "arms": {"control": {}, "arm": {"ratio": 1}},
    "seeds": 2,
}


def test_the_studies_are_those_of_the_recipes_and_of_reproduce():
    assert studies() == face_studies()
    assert len(studies()) == 5


@pytest.mark.parametrize("name", studies())
def test_arms_differ_from_their_control_in_mhe_and_the_decay_of_prototypes_alone(name):
    study, file = load_study(name)
    text = file.read_text()
    assert text.startswith("#")
    assert f"sphereface-plus reproduce {name} --data" in text
    start = start_config(study, file, DATA, 3, Path("first"))
    assert start.seed == 3
    assert start.init_from == str(Path("first").resolve())
    assert start.mhe.weight == 0
    for arm, asked in study.arms.items():
        settings = ("mhe.weight=5",) if asked.ratio is not None else ()
        config = arm_config(study, file, DATA, 3, arm, Path("start"), settings)
        control = arm_config(study, file, DATA, 3, study.control, Path("start"))
        changed = set(differences(to_dict(control), to_dict(config)))
        assert changed <= {
            *("mhe.weight", "mhe.form", "mhe.power", "mhe.hold_steps", "mhe.chunk_size"),
            "optimizer.decay_prototypes",
        }
        assert (config.mhe.weight > 0) == (asked.ratio is not None)
        assert config.network == start.network
        assert config.loss.kind == start.loss.kind
        probe = arm_config(study, file, DATA, 100, arm, Path("start"), probe_settings(study))
        assert (probe.mhe.weight, probe.train.steps) == (0, study.weights_steps)


def test_a_study_without_a_first_run_has_a_start_from_nothing():
    study = Study.model_validate(TREE | {"start": "../face/quickstart.yaml"})
    file = recipes_folder() / "paper" / "x.yaml"
    assert first_config(study, file, DATA, 0) is None
    assert start_config(study, file, DATA, 0, Path("first")).init_from is None


@pytest.mark.parametrize("name", studies())
def test_a_held_placebo_holds_for_the_whole_arm(name):
    study, file = load_study(name)
    config = arm_config(study, file, DATA, 0, "placebo, held", Path("start"), ("mhe.weight=5",))
    assert config.mhe.hold_steps == config.train.steps


@pytest.mark.parametrize("name", studies())
def test_the_annealing_of_an_arm_goes_on_where_the_starts_ended(name):
    study, file = load_study(name)
    first, start = first_config(study, file, DATA, 0), start_config(study, file, DATA, 0, Path("first"))
    arm = arm_config(study, file, DATA, 0, study.control, Path("start"))
    assert first is not None
    if isinstance(arm.loss, ASoftmaxConfig):
        assert isinstance(start.loss, ASoftmaxConfig)
        assert start.loss.lambda_start == first.train.steps
        assert arm.loss.lambda_start <= first.train.steps + start.train.steps
        assert 1000 / (1 + 0.12 * arm.loss.lambda_start) < 6  # near its least, 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arms": {"control": {}}}, "a study compares arms with the first one, and needs two"),
        ({"weights_seed": 1}, "weights_seed 1 is one of the study's 2 seeds"),
        (
            {"arms": {"control": {"ratio": 1}, "arm": {}}},
            "control is the control, and a ratio gives it an energy",
        ),
        ({"arms": {"control": {}, "arm": {"against": "other"}}}, "against: other is not an arm"),
        ({"contrasts": (("arm", "other"),)}, "contrasts: other is not an arm"),
        ({"contrasts": (("arm", "arm"),)}, "contrasts: an arm is compared with itself"),
        ({"contrasts": 2 * (("arm", "control"),)}, "contrasts: two are the same"),
        ({"arms": {"control": {}, "start": {}}}, "start is the name of what all arms go on from"),
    ],
)
def test_what_is_no_comparison_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Study.model_validate(TREE | changes)


def test_a_study_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match="faces: is not a study; there is truth_faces_cosface, "):
        load_study("faces")


def test_a_recipe_that_is_of_no_faces_is_refused():
    study = Study.model_validate(TREE | {"start": "../cifar/cnn9.yaml"})
    with pytest.raises(ConfigError, match="a study is of face recognitions"):
        start_config(study, recipes_folder() / "paper" / "x.yaml", DATA, 0, Path("first"))


def test_a_weight_is_the_ratio_of_the_gradients_to_three_digits():
    assert of_gradients(0.5, 3e-5, 0.7) == pytest.approx(11700)


def test_a_divergence_is_known_by_its_exit_code():
    assert DivergedError.exit_code == DIVERGED
