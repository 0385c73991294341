"""The table of tasks: whole, true to the settings, and asked instead of the kind of config."""

from dataclasses import replace

import pytest

from sphereface_plus import config
from sphereface_plus.commands import describe, settings_help
from sphereface_plus.training import tasks
from sphereface_plus.training.beforehand import check_files
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.run import train


def test_every_task_that_a_recipe_can_name_has_its_entry_and_its_lines_in_show():
    assert list(tasks.TASKS) == list(config.TASKS) == list(describe.MODEL_LINES)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_what_may_change_are_settings_of_the_task(name):
    task, settings = tasks.TASKS[name], config.TASKS[name]
    known = {line.split()[0] for line in settings_help._lines(settings, "") if line.strip()}
    assert task.may_change | task.after_divergence <= known
    advised = {word for word in task.gentler.split() if "." in word}
    assert advised
    assert advised <= task.after_divergence


def test_only_a_recipe_of_faces_has_a_start(tiny):
    assert tasks.TASKS["image"].start is None
    start = tasks.TASKS["face"].start
    assert start is not None
    assert start(tiny()) is None
    assert start(tiny(init_from="runs/other")) == "runs/other"


def test_what_is_not_there_is_named_by_its_setting(tiny, crops, tmp_path):
    with pytest.raises(RunError, match=r"^data\.path nowhere: there is no such folder, manifest"):
        check_files(tiny(**{"data.path": "nowhere"}))
    pairs = {"validation.pairs": str(crops), "validation.images": str(tmp_path / "none")}
    with pytest.raises(RunError, match=r"^validation\.images .*none: there is no such file or folder$"):
        check_files(tiny(**pairs))
    check_files(tiny(**{"validation.pairs": str(crops), "validation.images": str(tmp_path)}))


def test_a_run_is_built_and_told_of_by_its_entry_alone(tiny, tmp_path, monkeypatch, capsys):
    """What a third task relies on."""
    asked, face = [], tasks.TASKS["face"]

    def build(settings, folder, processes, point):
        asked.append(settings)
        return face.build(settings, folder, processes, point)

    entry = replace(face, build=build, thing="portrait", group="sitter", loss=lambda settings: "kindest")
    monkeypatch.setitem(tasks.TASKS, "face", entry)
    settings = tiny(**{"train.steps": 1, "optimizer.milestones": []})
    train(settings, tmp_path / "run")
    assert asked == [settings]
    said = capsys.readouterr().err
    assert "data: 30 portraits of 6 sitters, " in said
    assert "1 step of 8 portraits" in said
    assert "of the kindest loss" in said
    shown = describe.describe(tmp_path / "run")
    assert "30 portraits of 6 sitters" in shown
    assert "kindest, MHE weight 1\n" in shown
