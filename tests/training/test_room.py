"""Room for checkpoints: the estimate against the files, and what is said where they will not fit."""

from types import SimpleNamespace

import pytest
import torch

from sphereface_plus.training import room
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.run import train

MB = 10**6


@pytest.fixture
def free(monkeypatch):
    """free(bytes): the disk of every run has so many left."""

    def leave(number):
        monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=number))

    return leave


def test_the_estimate_is_the_size_of_the_files(tiny, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(room, "decimal", lambda size: told.append(size) or str(size))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=50 * MB))
    train(tiny(), tmp_path / "run")
    files = [path.stat().st_size for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert files == [pytest.approx(told[0], rel=0.01)] * 3


def test_an_optimizer_s_means_are_counted_before_its_first_step():
    parameters = [torch.nn.Parameter(torch.ones(10)), torch.nn.Parameter(torch.ones(5), requires_grad=False)]
    adam, plain = torch.optim.Adam(parameters), torch.optim.SGD(parameters, lr=0.1)
    momentum = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    assert [room.size_to_come(optimizer) for optimizer in (adam, momentum, plain)] == [80, 40, 0]
    parameters[0].grad = torch.ones(10)
    momentum.step()
    assert room.size_to_come(momentum) == 0


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.Adam, {}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.RMSprop, {}),
        (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    ],
)
def test_what_is_counted_is_what_the_first_step_makes(kind, settings):
    parameter = torch.nn.Parameter(torch.ones(10))
    optimizer = kind([parameter], lr=0.1, **settings)
    counted = room.size_to_come(optimizer)
    parameter.grad = torch.ones(10)
    optimizer.step()
    made = [value for value in optimizer.state[parameter].values() if torch.is_tensor(value) and value.ndim]
    assert counted == room.size_of(made) > 0


def test_a_run_whose_first_checkpoints_do_not_fit_does_not_begin(tiny, tmp_path, free):
    free(20 * MB)  # one takes 12.7 MB; at step 3 there are two
    message = r"run: 2 checkpoints of about 12\.7 MB must fit at first, and 20\.0 MB is free there; make room"
    with pytest.raises(RunError, match=message):
        train(tiny(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_whose_checkpoints_will_not_all_fit_says_so_and_begins(tiny, tmp_path, free, capsys):
    free(50 * MB)  # last.pt, one at step 3 and one at 6, and last.pt once more while it is written
    assert train(tiny(), tmp_path / "run").step == 8
    said = capsys.readouterr().err
    assert (
        f"warning: {tmp_path / 'run'}: up to 4 checkpoints of about 12.7 MB each will take 50.7 MB, and 50.0 "
        "MB is free there; make room, or raise train.checkpoint_every\n"
    ) in said


@pytest.mark.parametrize(("steps", "needed"), [(2, 1), (8, 4)])
def test_nothing_is_said_where_they_fit(tiny, tmp_path, free, capsys, steps, needed):
    free(needed * 13 * MB)
    train(tiny(**{"train.steps": steps, "optimizer.milestones": []}), tmp_path / "run")
    assert "checkpoint" not in capsys.readouterr().err


def test_a_run_that_goes_on_needs_room_for_what_is_not_there_yet(tiny, tmp_path, free):
    train(tiny(), tmp_path / "run")
    free(26 * MB)  # step 9, and last.pt while it is written anew
    assert train(tiny(**{"train.steps": 9}), tmp_path / "run", resume=True).step == 9
    free(12 * MB)
    with pytest.raises(RunError, match=r"1 checkpoint of about 12\.7 MB must fit at first"):
        train(tiny(**{"train.steps": 10}), tmp_path / "run", resume=True)


def test_nothing_is_said_where_the_system_does_not_tell(tiny, tmp_path, monkeypatch, capsys):
    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(room.shutil, "disk_usage", refuse)
    assert train(tiny(**{"train.steps": 1, "optimizer.milestones": []}), tmp_path / "run").step == 1
    assert "checkpoint" not in capsys.readouterr().err
