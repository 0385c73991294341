"""Ctrl-C and SIGTERM while photos are aligned: one sentence, and no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from data_prep.drawn import DrawnSet, draw_set


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    draw_set(folder, DrawnSet(people=1, photos=1, test_people=20, test_photos=2, pairs=1), workers=1)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_all_processes_ends_in_one_sentence(repository, photos, tmp_path, stop, code):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "eval", "verify", "--model", "pixels", "--workers", "2"]
    command += ["--pairs", photos / "pairs.txt", "--images", photos / "test", "--out", out]
    process = subprocess.Popen(
        command,
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal and a batch system signal all processes of a job
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        journal = out / "crops" / "progress.jsonl"
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        os.killpg(process.pid, stop)
        output, errors = process.communicate()  # until the last of them has closed its end
    finally:
        process.kill()
    assert process.returncode == code
    assert (output, errors) == ("", "stopped: the same command continues where it stopped\n")
    assert not (out / "report.json").exists()
    assert sorted(path.name for path in out.iterdir()) == ["crops"]
