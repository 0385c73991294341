import filelock
import pytest
import yaml

from sphereface_plus import config
from sphereface_plus.training import tasks
from sphereface_plus.training.folder import LOCK, RunError, RunFolder, flatten

RECIPE = {
    "name": "test",
    "data": {"path": "crops"},
    "network": {"name": "sphereface4"},
    "loss": {"kind": "softmax"},
    "optimizer": {"learning_rate": 0.1},
    "train": {"steps": 10, "batch_size": 4},
}


def recipe(**changes):
    return config.from_dict(RECIPE | changes)


def refuse_another(folder, settings):
    task = tasks.of(settings)
    return folder.refuse_another(settings, task.may_change, task.after_divergence)


def test_flatten_names_settings_as_set_does():
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


def test_folder_with_a_run_is_refused_for_a_new_one(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.refuse_existing()
    folder.write_config(recipe())
    with pytest.raises(RunError, match=r"run exists: continue it with --resume, or name another folder"):
        folder.refuse_existing()


def test_an_empty_folder_may_be_used(tmp_path):
    RunFolder(tmp_path).refuse_existing()


def test_a_folder_with_what_a_kill_leaves_before_the_first_whole_file_may_be_used(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".config.yaml.0123abcd.tmp").write_text("name: te")
    RunFolder(tmp_path).refuse_existing()


def test_a_hidden_file_of_the_users_is_no_half_file_and_stays(tmp_path):
    (tmp_path / ".notes.tmp").write_text("precious")
    with RunFolder(tmp_path).held(), pytest.raises(RunError, match="exists: it is not a run"):
        RunFolder(tmp_path).refuse_existing()
    assert (tmp_path / ".notes.tmp").read_text() == "precious"


def test_a_run_that_begins_when_an_empty_folder_is_let_go_keeps_its_lock(tmp_path, monkeypatch):
    folder, let_go = RunFolder(tmp_path / "run"), filelock.FileLock.release
    next_one = filelock.FileLock(folder.path / LOCK, blocking=False)

    def release(lock, *options, **named):
        let_go(lock, *options, **named)
        if lock is not next_one and not next_one.is_locked:
            next_one.acquire()

    monkeypatch.setattr(filelock.FileLock, "release", release)
    with folder.held():
        pass
    with pytest.raises(RunError, match="another process is training here"), folder.held():
        pass
    monkeypatch.undo()
    next_one.release()
    with folder.held():
        pass
    assert not folder.path.exists()


def test_a_file_is_no_folder_for_a_run(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file exists: it is not a run; name another folder"):
        RunFolder(tmp_path / "file").refuse_existing()


def test_written_config_is_the_resolved_recipe(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(recipe())
    stored = yaml.safe_load(folder.config.read_text())
    assert config.from_dict(stored) == recipe()
    assert stored["optimizer"]["momentum"] == 0.9


def test_a_folder_of_something_else_is_no_run(tmp_path):
    assert not RunFolder(tmp_path / "new").holds_run()
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(RunError, match="exists: it is not a run; name another folder with --out"):
        RunFolder(tmp_path).holds_run()


def test_resume_with_another_config_names_each_differing_key(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe())
    with pytest.raises(RunError, match=r"mhe\.weight \(was 0\.0, now 1\.0\), seed \(was 0, now 1\)"):
        refuse_another(folder, recipe(mhe={"weight": 1.0}, seed=1))


def test_resume_refuses_a_validation_that_was_not_there(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe())
    with pytest.raises(RunError, match=r"validation\.pairs \(was None, now pairs\.txt\)"):
        refuse_another(folder, recipe(validation={"pairs": "pairs.txt", "images": "crops"}))


def test_steps_and_workers_may_change_on_resume(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe())
    refuse_another(folder, recipe(train={"steps": 20, "batch_size": 4}, data={"path": "crops", "workers": 2}))


def test_precision_auto_is_what_the_run_began_in(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(recipe(train={"steps": 10, "batch_size": 4, "precision": "bf16"}))
    refuse_another(folder, recipe(train={"steps": 10, "batch_size": 4, "precision": "auto"}))
    with pytest.raises(RunError, match=r"train\.precision \(was bf16, now fp32\)"):
        refuse_another(folder, recipe(train={"steps": 10, "batch_size": 4, "precision": "fp32"}))
