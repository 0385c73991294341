"""The table of tasks: whole, true to the settings, and asked instead of the kind of config."""

import pytest

from sphereface_plus import config
from sphereface_plus.commands import settings_help
from sphereface_plus.training import tasks
from sphereface_plus.training.beforehand import check_files
from sphereface_plus.training.folder import RunError


def test_every_task_that_a_recipe_can_name_has_its_entry():
    assert list(tasks.TASKS) == list(config.TASKS)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_what_may_change_are_settings_of_the_task(name):
    task, settings = tasks.TASKS[name], config.TASKS[name]
    known = {line.split()[0] for line in settings_help._lines(settings, "") if line.strip()}
    assert task.may_change | task.after_divergence <= known
    assert len(task.gentler) > 2
    assert {words.split()[-1] for words in task.gentler} <= task.after_divergence


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
