"""Room for checkpoints: the estimate against the files, and what is said where they will not fit."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from sphereface_plus.config import FaceConfig, from_dict
from sphereface_plus.processes import Processes
from sphereface_plus.training import room
from sphereface_plus.training.classifier import build_learner
from sphereface_plus.training.face_loss import energies_of, loss_of
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.run import train
from sphereface_plus.training.sizes import size_of, size_to_come
from tests.two_processes import in_two_processes
from tests.whole_rows import whole

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


def sizes_of_shares(tree, rank, world_size):
    """The learner's size before and after its first update, as estimated; and what the checkpoint takes."""
    processes, identities = Processes(rank, world_size, torch.device("cpu")), 1001
    config: FaceConfig = from_dict(tree)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, config.network.embedding_size))
    loss, rows = loss_of(config, identities, processes)
    energies = energies_of(config, loss, rows, torch.ones(identities))
    learner = build_learner(network, loss, energies, lambda crops: crops.float(), config, processes)
    estimates = []
    for step in range(2):
        group, dist.group.WORLD = dist.group.WORLD, None  # nothing can be passed to the others
        try:
            estimates.append(learner.state_size())
        finally:
            dist.group.WORLD = group
        learner.update([(torch.randn(4, 3, 1, 1), torch.randint(identities, (4,)))], step)
    return rank, estimates, size_of(whole(learner.state_dict()))


@pytest.mark.slow  # processes
@pytest.mark.parametrize("loss", [{"kind": "softmax", "bias": True}, {"kind": "softmax_center"}])
def test_all_processes_count_the_whole_prototypes_and_momenta_that_they_share(loss, recipe, tmp_path):
    tree = recipe(head="sharded", loss=loss)
    (_, *main), (_, others, _) = sorted(in_two_processes(partial(sizes_of_shares, tree), tmp_path))
    assert main[0] == others
    assert main[0] == [pytest.approx(main[1], rel=0.001)] * 2


def test_an_optimizer_s_means_are_counted_before_its_first_step():
    parameters = [torch.nn.Parameter(torch.ones(10)), torch.nn.Parameter(torch.ones(5), requires_grad=False)]
    adam, plain = torch.optim.Adam(parameters), torch.optim.SGD(parameters, lr=0.1)
    momentum = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    assert [size_to_come(optimizer) for optimizer in (adam, momentum, plain)] == [80, 40, 0]
    parameters[0].grad = torch.ones(10)
    momentum.step()
    assert size_to_come(momentum) == 0


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
    counted = size_to_come(optimizer)
    parameter.grad = torch.ones(10)
    optimizer.step()
    made = [value for value in optimizer.state[parameter].values() if torch.is_tensor(value) and value.ndim]
    assert counted == size_of(made) > 0


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
