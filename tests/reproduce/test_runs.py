"""A table's runs as processes: stopped, continued, and kept apart."""

import signal
import subprocess
import sys
import time

import pytest

from sphereface_plus import checkpoint
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.reproduce import runs, spec
from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.logs import read_log


@pytest.fixture
def config():
    job = spec.Job("Baseline", 0, ())
    return spec.config_of(job, recipes_folder() / "mnist" / "cnn6.yaml", {"mnist": "nowhere"})


@pytest.fixture
def long_table(table, tmp_path):
    """One run that is not finished before it is stopped."""
    text = table.read_text().replace("plot: features\nenergies: true\n", "")
    text = text.replace("test_every=3", "test_every=100000").replace("train.steps=3", "train.steps=100000")
    text = text.replace("seeds: 1", "seeds: 1\n    rows: [Baseline]")
    path = tmp_path / "long.yaml"
    path.write_text(text)
    return path


def last_step(out):
    """The last step in the log of the only run, -1 where it has made none."""
    logs = list(out.glob("runs/*/log.jsonl"))
    return max((line["step"] for line in read_log(logs[0]) if "loss" in line), default=-1) if logs else -1


def run_and_signal(table, digits, out, number):
    """Sends the signal to `reproduce` after it has made a new step; its exit code and what it said."""
    before = last_step(out)
    arguments = ["reproduce", table, "--data", f"mnist={digits}", "--at-once", "2", "--out", out]
    handler = signal.signal(
        number, lambda *_: None
    )  # what is ignored here, as nohup does, would be there, too
    process = subprocess.Popen(
        [sys.executable, "-m", "sphereface_plus", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    signal.signal(number, handler)
    try:
        while process.poll() is None and last_step(out) <= before:
            time.sleep(0.1)
    finally:
        process.send_signal(number)
        said, _ = process.communicate()
    return process.returncode, said


@pytest.mark.slow
def test_a_stopped_table_leaves_no_run_training_and_goes_on(long_table, digits, tmp_path):
    out = tmp_path / "out"
    code, said = run_and_signal(long_table, digits, out, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM, said
    assert said.endswith("stopped: the same command continues where it stopped\n")
    folder = next(out.glob("runs/*/log.jsonl")).parent
    with RunFolder(folder).held():  # nobody trains here
        stopped_at = checkpoint.load(folder)["step"]
    code, said = run_and_signal(long_table, digits, out, signal.SIGHUP)
    assert code == 128 + signal.SIGHUP, said
    with RunFolder(folder).held():
        assert checkpoint.load(folder)["step"] > stopped_at > 0
    assert folder.with_suffix(".txt").read_text().count("stopped and saved at step") == 2
    record = runs.record_of(folder)
    assert "failed" not in record
    assert len(record["seconds"]) == 2
    assert all(seconds > 0 for seconds in record["seconds"])


def test_a_run_that_another_process_trains_is_no_failed_one(config, tmp_path):
    folder = tmp_path / "run"
    with RunFolder(folder).held(), pytest.raises(ValueError, match="another process is training"):
        runs.run_all({folder: config}, {"mnist": "a"}, at_once=1, progress=lambda *_: None)
    assert runs.record_of(folder) == {}


def test_the_record_of_a_continued_run_has_all_parts_and_says_where_one_was_not_timed(tmp_path):
    folder = tmp_path / "run"
    runs._record_begin(folder, {"commit": "abc"})
    runs._record_end(folder, 10)
    folder.mkdir()
    RunFolder(folder).config.touch()
    runs._record_begin(folder, {"commit": "abc"})  # and killed
    runs._record_begin(folder, {"commit": "def"})
    runs._record_end(folder, 30)
    record = runs.record_of(folder)
    assert (record["commit"], record["seconds"]) == (["abc", "def"], [10, None, 30])
    RunFolder(folder).config.unlink()  # a new run
    runs._record_begin(folder, {"commit": "def"})
    assert runs.record_of(folder)["seconds"] == [None]


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "run.json").write_text('{"half')
    with pytest.raises(
        RunError, match=r"run\.json: is damaged; delete it, the run beside it goes on without"
    ):
        runs.record_of(tmp_path / "run")


def test_a_runs_folder_follows_from_the_images_and_not_from_their_place(config, write_digits, tmp_path):
    job = spec.Job("MHE", 0, ())
    folders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        place = str(write_digits(tmp_path / name, seed))
        there = config.model_copy(update={"data": config.data.model_copy(update={"path": place})})
        folders.append(runs.folder_of(job, there, runs.check_data([there])["mnist"], tmp_path))
    assert folders[0] == folders[1] != folders[2]
