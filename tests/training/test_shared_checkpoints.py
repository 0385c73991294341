"""Checkpoints of processes that hold shares, each of which writes its own: they are as good as one file."""

import errno
import os
import shutil
from functools import partial

import pytest
import torch
import torch.distributed as dist

from sphereface_plus import checkpoint, config, files, weights
from sphereface_plus.commands.describe import describe
from sphereface_plus.config import OptimizerConfig
from sphereface_plus.errors import UserError
from sphereface_plus.hub import save_weights
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.processes import Processes
from sphereface_plus.stored_rows import StoredRows
from sphereface_plus.training.run import train
from sphereface_plus.training.sgd import ScheduledSGD
from tests.losses.settings import config_of
from tests.training.conftest import RECIPE
from tests.two_processes import in_two_processes

pytestmark = pytest.mark.slow  # processes

TRAIN = {"steps": 4, "checkpoint_every": 2}


class Killed(Exception):
    pass


def full(raw, data, write=files._write):
    """The disk of the second process takes no rows."""
    if ".share_2_of_2." in str(raw.name):
        raise OSError(errno.ENOSPC, "No space left on device")
    return write(raw, data)


def killed_at_four(path, payload, write=checkpoint.save):
    """The main process, where all rows are written already: it is gone, and its connections are closed."""
    if payload["step"] == 4:
        dist.destroy_process_group()
        raise Killed
    write(path, payload)


def trained(tree, folder, background=False):
    """How it ended."""
    settings = config.from_dict(tree | {"train": tree["train"] | {"save_in_background": background}})
    try:
        return f"step {train(settings, folder).step}"
    except (OSError, UserError, Killed) as error:
        return f"{type(error).__name__}: {error}"


def runs(tree, folder, rank, world_size):
    """Some runs, one after another, as processes are long in coming."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size)}  # as torchrun does
    said = [trained(tree, folder / "waits"), trained(tree, folder / "beside", background=True)]
    files._write, write = full, files._write
    said += [trained(tree, folder / f"full_{background}", background) for background in (False, True)]
    files._write = write
    checkpoint.save = killed_at_four
    said.append(trained(tree, folder / "killed"))
    return rank, said


@pytest.fixture(scope="module")
def tree(crops):
    return RECIPE | {
        "head": "sharded",
        "data": RECIPE["data"] | {"path": str(crops)},
        "loss": {"kind": "softmax_center"},
        "optimizer": {"learning_rate": 0.01},
        "train": RECIPE["train"] | TRAIN,
    }


@pytest.fixture(scope="module")
def ended(tree, tmp_path_factory):
    """(the folder of the runs, what each process said of each)."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "meeting").mkdir()
    return folder, dict(in_two_processes(partial(runs, tree, folder), folder / "meeting"))


@pytest.fixture
def copied(ended, tmp_path):
    """copied(name): a run to change."""
    return lambda name: shutil.copytree(ended[0] / name, tmp_path / name) / "checkpoints"


def shares_in(folder):
    return {file.name for file in folder.glob("*.share_*")}


def named_in(folder):
    found = [checkpoint.load_apart(file) for file in folder.glob("*.pt")]
    return {file["name"] for payload in found for file in payload.get("shares", {"files": []})["files"]}


def again_as_one_file(folder):
    """The same checkpoints as one process writes them, in another run."""
    other = folder.parents[1] / "one file" / "checkpoints"
    shutil.copytree(folder.parent, other.parent)
    for file in other.glob("*.pt"):
        checkpoint.save(file, checkpoint.load(file))
    for file in other.glob("*.share_*"):
        file.unlink()
    return other


def assert_same_weights(one, other):
    for part in ("network", "loss"):
        found, expected = getattr(one, part), getattr(other, part)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_each_process_writes_its_rows_and_two_checkpoints_of_a_step_name_the_same_files(ended):
    folder = ended[0] / "waits" / "checkpoints"
    assert {ended[1][rank][0] for rank in (0, 1)} == {"step 4"}
    names = sorted(name.rpartition(".safe")[0][:-17] for name in shares_in(folder))
    assert names == [f"step_0000000{step}.share_{one}_of_2" for step in (2, 4) for one in (1, 2)]
    assert named_in(folder) == shares_in(folder)
    one = torch.load(folder / "last.pt")
    assert (one["loss"]["prototypes"], one["loss"]["bias"], one["loss"]["centers"]) == (None, None, None)
    assert [(file["first"], file["end"]) for file in one["shares"]["files"]] == [(0, 3), (3, 6)]
    assert len(one["shares"]["tensors"]) == 5  # with the momenta of prototypes and biases


def test_a_save_in_the_background_writes_the_same_rows(ended):
    waits, beside = (ended[0] / name / "checkpoints" for name in ("waits", "beside"))
    assert {ended[1][rank][1] for rank in (0, 1)} == {"step 4"}
    assert shares_in(waits) == shares_in(beside) != set()  # they are named by their bytes
    for name in ("last.pt", "step_00000002.pt"):
        one, other = (checkpoint.load(folder / name) for folder in (waits, beside))
        assert all(torch.equal(one["network"][part], value) for part, value in other["network"].items())


def test_a_full_disk_of_another_process_is_told_by_both(ended):
    for number, background in ((2, False), (3, True)):
        first, second = (ended[1][rank][number] for rank in (0, 1))
        assert first.startswith("OtherShareError: ")
        assert "last.pt" not in first
        assert "is not saved, as share 2 of 2 could not be written, whose process says why" in first
        assert second.startswith("WriteError: ")
        assert "cannot be written (No space left on device); make room there, and give the same com" in second
        left = {file.name for file in (ended[0] / f"full_{background}" / "checkpoints").iterdir()}
        assert {name[:27] for name in left} == {"step_00000002.share_1_of_2."}


def test_a_run_that_was_killed_before_it_named_the_rows_goes_on_from_the_checkpoint_before(
    ended, copied, tree, capsys
):
    """And what was written is removed, in the end by the next save."""
    folder = copied("killed")
    assert ended[1][0][4] == "Killed: "
    assert {name[:13] for name in shares_in(folder)} == {"step_00000002", "step_00000004"}
    assert train(config.from_dict(tree), folder.parent, resume=True).step == 4
    assert "the run goes on at step 2, from last.pt" in capsys.readouterr().err
    assert {name[:13] for name in shares_in(folder)} == {"step_00000002"}
    assert named_in(folder) == shares_in(folder)


@pytest.mark.parametrize("damage", ["missing", "cut short", "damaged"])
def test_a_run_one_of_whose_files_is_not_whole_goes_on_from_the_checkpoint_before_and_names_it(
    copied, tree, capsys, damage
):
    folder = copied("waits")
    (file,) = folder.glob("step_00000004.share_2_of_2.*")
    if damage == "missing":
        file.unlink()
    else:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + (b"" if damage == "cut short" else bytes([content[-1] ^ 1])))
    left = shares_in(folder)
    with pytest.raises(checkpoint.DamagedError, match=rf"its share {file.name} is {damage}"):
        checkpoint.load(folder.parent)
    assert train(config.from_dict(tree), folder.parent, resume=True).step == 4
    said = capsys.readouterr().err
    for name in ("last.pt", "step_00000004.pt"):
        assert f"{name} is damaged (its share {file.name} is {damage}" in said
        assert f"and kept as {name}.damaged" in said
    assert "the run goes on at step 2, from step_00000002.pt" in said
    assert shares_in(folder) == left  # of what was put aside, too


def momenta_of(payload):
    """Of prototypes and biases."""
    return [of_one for _, of_one in sorted(payload["optimizer"]["state"].items())][-2:]


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_a_process_that_goes_on_reads_its_own_rows_of_each_tensor_and_no_others(
    ended, monkeypatch, world_size
):
    read, stored_rows = [], StoredRows.__getitem__

    def counting(stored, wanted):
        read.append(stored_rows(stored, wanted))
        return read[-1]

    monkeypatch.setattr(StoredRows, "__getitem__", counting)
    payload = checkpoint.load_apart(ended[0] / "waits")
    whole = checkpoint.load(ended[0] / "waits")
    read.clear()
    for rank in range(world_size):
        rows = SharedRows(6, Processes(rank, world_size, torch.device("cpu")))
        settings = config_of({"kind": "softmax_center"})
        loss = build_loss(settings, num_identities=6, embedding_size=16, rows=rows)
        sgd = ScheduledSGD(torch.nn.Linear(1, 1), loss, OptimizerConfig(learning_rate=0.1))
        loss.load_kept_state(payload["loss"])
        state = sgd.sgd.state_dict() | {"state": dict(zip((2, 3), momenta_of(payload), strict=True))}
        sgd.load_state_dict({"optimizer": state})
        here = rows.stretch(6)
        first, end = here.start, here.stop
        shapes = [(end - first, 16), (end - first,), (end - first, 16)]
        assert sorted(tuple(one.shape) for one in read) == sorted([*shapes, *shapes[:2]])
        assert torch.equal(loss.centers, whole["loss"]["centers"][first:end])
        momentum = sgd.sgd.state[loss.prototypes]["momentum_buffer"]
        assert torch.equal(momentum, momenta_of(whole)[0]["momentum_buffer"][first:end])
        read.clear()


def test_everything_that_takes_a_model_has_the_same_from_it_as_from_one_file(copied, tree, tmp_path, capsys):
    shared = copied("waits")
    one = again_as_one_file(shared)
    assert_same_weights(weights.load(shared.parent), weights.load(one.parent))
    exported = [
        save_weights(folder / "last.pt", tmp_path / f"{number}.safetensors", head=True)
        for number, folder in enumerate((shared, one))
    ]
    assert_same_weights(*exported)
    assert "prototypes" in exported[0].loss
    told = [describe(folder).splitlines()[2:] for folder in (shared.parent, one.parent)]
    assert told[0] == told[1]
    started = tree | {"head": "dense", "train": tree["train"] | {"steps": 1}}
    for folder in (shared, one):
        train(config.from_dict(started | {"init_from": str(folder.parent)}), folder.parents[1] / "tuned")
        shutil.move(folder.parents[1] / "tuned", folder.parent / "tuned")
    assert_same_weights(weights.load(shared.parent / "tuned"), weights.load(one.parent / "tuned"))


def test_a_dense_head_in_one_process_goes_on_from_it_as_from_one_file(copied, tree):
    """And from then on writes one file."""
    shared = copied("waits")
    one = again_as_one_file(shared)
    longer = tree | {"head": "dense", "train": tree["train"] | {"steps": 5}}
    for folder in (shared, one):
        assert train(config.from_dict(longer), folder.parent, resume=True).step == 5
    found, expected = checkpoint.load(shared / "last.pt"), checkpoint.load(one / "last.pt")
    assert all(torch.equal(found["loss"][name], value) for name, value in expected["loss"].items())
    assert "shares" not in torch.load(shared / "last.pt")
    assert named_in(shared) == shares_in(shared)
