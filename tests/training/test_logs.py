import errno
import threading
from contextlib import closing

import pytest

from sphereface_plus.files import WriteError
from sphereface_plus.training.logs import RunLog, read_log


def write(folder, steps, first_step=0):
    log = RunLog(folder / "log.jsonl", folder / "tensorboard", first_step=first_step)
    for step in steps:
        log.write(step, {"loss": step / 3})
    log.close()


def test_lines_hold_step_and_exact_numbers(tmp_path):
    write(tmp_path, [0, 10])
    assert read_log(tmp_path / "log.jsonl") == [{"step": 0, "loss": 0.0}, {"step": 10, "loss": 10 / 3}]


def test_a_line_is_on_disk_before_the_log_is_closed(tmp_path):
    log = RunLog(tmp_path / "log.jsonl", tmp_path / "tensorboard")
    log.write(3, {"loss": 1.0})
    assert read_log(tmp_path / "log.jsonl") == [{"step": 3, "loss": 1.0}]
    log.close()


def test_resumed_log_equals_the_uninterrupted_one(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    write(whole, range(8))
    write(parts, range(6))  # killed after line 5, with a checkpoint of step 4
    with (parts / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')  # cut short
    write(parts, range(4, 8), first_step=4)
    assert (parts / "log.jsonl").read_bytes() == (whole / "log.jsonl").read_bytes()


def test_tensorboard_reads_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, [0, 1, 2])
    write(tmp_path, [1, 2], first_step=1)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [0, 1, 2]


class Full:
    """A file on a full disk, whose writer has a buffer."""

    def write(self, data):
        return len(data)

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    close = flush


@pytest.mark.parametrize(("which", "name"), [("log", "log.jsonl"), ("events", "tfevents")])
def test_a_full_disk_is_one_sentence_with_the_path_in_this_thread(tmp_path, which, name):
    threads = threading.active_count()
    log = RunLog(tmp_path / "log.jsonl", tmp_path / "tensorboard")
    if which == "log":
        log._file.close()
        log._file = Full()
    else:
        log._events._file.close()
        log._events._file = log._events._records._writer = Full()
    sentence = rf"{name}.*: cannot be written \(No space left .*; make room there"
    with pytest.raises(WriteError, match=sentence), closing(log):
        log.write(0, {"loss": 1.0})
    assert threading.active_count() == threads
