"""The loop with a learner that only writes down what it is asked for."""

from itertools import count

import pytest
import torch

from sphereface_plus.training.loop import train
from sphereface_plus.training.pace import Pace


class Recorder:
    """A learner, and all that the loop calls, in one list of events."""

    def __init__(self, stop_at=None):
        self.events, self.stop_at, self.now = [], stop_at, None

    def update(self, batch, step):
        self.events.append(("update", step, batch))
        self.now = step + 1
        return {"loss": torch.tensor(float(step)), "learning_rate": 0.1}

    def state_dict(self):
        return {}

    def load_state_dict(self, state): ...

    def run(self, first_step=0, last_step=6, **changes):
        self.now = first_step
        settings = {
            "first_step": first_step,
            "last_step": last_step,
            "log": lambda step, scalars: self.events.append(("log", step, scalars)),
            "log_every": 2,
            "validate": lambda step: {"validation/accuracy": 0.5},
            "validate_every": 4,
            "save": lambda step: self.events.append(("save", step)),
            "save_every": 3,
            "should_stop": lambda: self.now == self.stop_at,
            "pace": Pace(batch_size=8),
        }
        return train(self, count(first_step), **(settings | changes))

    def steps(self, kind):
        return [event[1] for event in self.events if event[0] == kind]


def test_each_update_takes_the_batch_of_its_step():
    recorder = Recorder()
    assert recorder.run(first_step=2) == 6
    assert [event[1:] for event in recorder.events if event[0] == "update"] == [
        (2, 2),
        (3, 3),
        (4, 4),
        (5, 5),
    ]


def test_log_lines_hold_plain_numbers_of_the_update_and_its_pace():
    recorder = Recorder()
    recorder.run()
    lines = [(step, scalars) for kind, step, scalars in (e for e in recorder.events if e[0] == "log")]
    training = {step: scalars for step, scalars in lines if "loss" in scalars}
    assert list(training) == [0, 2, 4]
    assert training[4]["loss"] == 4.0
    assert all(type(value) is float for value in training[4].values())
    assert training[4]["images_per_second"] > 0
    assert 0 <= training[4]["data_wait_share"] <= 1


def test_validation_comes_before_the_first_update_on_schedule_and_after_the_last():
    recorder = Recorder()
    recorder.run()
    assert [e[1] for e in recorder.events if e[0] == "log" and "validation/accuracy" in e[2]] == [0, 4, 6]
    assert recorder.events[0][0] == "log"
    assert recorder.events[-2:] == [("log", 6, {"validation/accuracy": 0.5}), ("save", 6)]


def test_checkpoints_come_on_schedule_and_at_the_end():
    recorder = Recorder()
    recorder.run(last_step=7)
    assert recorder.steps("save") == [3, 6, 7]


@pytest.mark.parametrize("stop_at", [0, 1, 4, 5])
def test_a_stopped_run_has_saved_at_the_step_that_it_returns(stop_at):
    recorder = Recorder(stop_at=stop_at)
    assert recorder.run() == stop_at
    assert recorder.events[-1] == ("save", stop_at)
    assert recorder.steps("update") == list(range(stop_at))


def test_a_stopped_and_resumed_run_makes_the_updates_of_an_uninterrupted_one():
    whole, first, second = Recorder(), Recorder(stop_at=4), Recorder()
    whole.run()
    reached = first.run()
    second.run(first_step=reached)
    assert first.steps("update") + second.steps("update") == whole.steps("update")
    assert second.steps("save") == [6]


def test_without_validation_there_is_none():
    recorder = Recorder()
    recorder.run(validate_every=None)
    assert all("loss" in event[2] for event in recorder.events if event[0] == "log")
