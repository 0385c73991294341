"""Runs whose processes hold shares of the prototypes, against one process that holds all."""

import shutil
from functools import partial

import pytest
import torch
import yaml
from torch import nn

from sphereface_plus import checkpoint, config
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train
from tests.training.as_torchrun import go_on
from tests.two_processes import in_processes

CLIP = 2.8
TIMINGS = {"images_per_second", "data_wait_share"}
ANGLE = "mhe/smallest_angle_degrees"
CHANGES = {"optimizer.milestones": [], "train.batch_size": 12}


def go_on_compiled(recipe_file, folder, rank, world_size):
    """As go_on; the number of compiled graphs, and of breaks. By the compiler up to its last step, C++, which
    takes half a minute."""
    in_place = nn.Module.compile
    nn.Module.compile = lambda network: in_place(network, backend="aot_eager")  # until the process ends
    go_on(recipe_file, folder, rank, world_size)
    counters = torch._dynamo.utils.counters
    return counters["stats"]["unique_graphs"], counters["graph_break"].total()


@pytest.fixture
def run(recipe, tmp_path):
    """run(folder, world_size, **changed settings): a run by so many processes, which may go on."""
    calls = iter(range(100))

    def in_folder(folder, world_size, **changes):
        path = tmp_path / f"recipe_{next(calls)}.yaml"
        path.write_text(yaml.safe_dump(recipe(**{**CHANGES, **changes})))
        if world_size == 1:
            train(config.load(path), folder, resume=True)
            return None
        path.with_suffix("").mkdir()
        function = go_on_compiled if changes.get("train.compile") else go_on
        return in_processes(world_size, partial(function, path, folder), path.with_suffix(""))

    return in_folder


def log_of(folder, *, first=0):
    return [line for line in read_log(folder / "log.jsonl") if line["step"] >= first]


def assert_same_log(found, expected, rel=1e-4):
    assert [line["step"] for line in found] == [line["step"] for line in expected] != []
    for line, other in zip(found, expected, strict=True):
        assert line.keys() - {ANGLE} == other.keys() - {ANGLE}
        for name in line.keys() - TIMINGS - {ANGLE}:
            assert line[name] == pytest.approx(other[name], rel=rel, abs=1e-5), (line["step"], name)


def tensors_of(folder):
    point = checkpoint.load(folder)
    momenta = {f"momentum {n}": one["momentum_buffer"] for n, one in point["optimizer"]["state"].items()}
    return {**point["network"], **point["loss"], **momenta}


def difference(folder, other):
    """The largest, over all weights and momenta."""
    one, two = tensors_of(folder), tensors_of(other)
    assert one.keys() == two.keys()
    assert all(one[name].shape == value.shape for name, value in two.items())
    return max((one[name] - value).abs().max().item() for name, value in two.items())


@pytest.mark.slow
def test_eight_steps_of_two_and_four_processes_are_those_of_one_up_to_rounding(run, tmp_path):
    """Rounding is what the same run in one process differs by where it adds in another order, in parts."""
    changes = {"train.steps": 8, "train.checkpoint_every": 100, "mhe.weight": 1.0}
    changes |= {"optimizer.clip_norm": CLIP}
    run(tmp_path / "whole", 1, **changes)
    run(tmp_path / "in_parts", 1, **changes, **{"train.accumulate": 3})
    rounding = difference(tmp_path / "in_parts", tmp_path / "whole")
    assert 0 < rounding < 1e-3
    expected = log_of(tmp_path / "whole")
    assert {line["gradient_norm"] > CLIP for line in expected} == {True, False}  # some are clipped
    for world_size in (2, 4):
        folder = tmp_path / f"shares_{world_size}"
        run(folder, world_size, **changes, head="sharded")
        assert difference(folder, tmp_path / "whole") < 5 * rounding
        assert_same_log(log_of(folder), expected, rel=1e-3)


@pytest.mark.slow
def test_processes_see_the_sample_that_one_would(run, tmp_path):
    settings = {"train.steps": 4, "mhe.weight": 1.0, "sample_rate": 0.5, "data.images_per_identity": 3}
    run(tmp_path / "whole", 1, **settings)
    for head in ("sharded", "streamed"):  # each its rows, or both all of them
        run(tmp_path / head, 2, **settings, head=head)
        assert_same_log(log_of(tmp_path / head), log_of(tmp_path / "whole"), rel=1e-3)
        assert difference(tmp_path / head, tmp_path / "whole") < 1e-5
    run(tmp_path / "all", 1, **(settings | {"sample_rate": 1.0}))
    assert difference(tmp_path / "all", tmp_path / "whole") > 1e-3


@pytest.mark.slow
def test_a_checkpoint_of_four_processes_goes_on_in_any_number_of_them_and_in_four_bit_for_bit(run, tmp_path):
    settings = {"train.steps": 2, "mhe.weight": 10.0, "head": "sharded"}
    run(tmp_path / "uninterrupted", 4, **(settings | {"train.steps": 4}))
    run(tmp_path / "cut", 4, **settings)
    expected = log_of(tmp_path / "uninterrupted", first=2)
    assert len(list((tmp_path / "cut" / "checkpoints").glob("last.share_*_of_4.*"))) == 4
    for world_size, head in ((4, "sharded"), (3, "sharded"), (2, "sharded"), (1, "sharded"), (1, "dense")):
        folder = shutil.copytree(tmp_path / "cut", tmp_path / f"{world_size}_{head}")
        run(folder, world_size, **(settings | {"head": head, "train.steps": 4}))
        assert_same_log(log_of(folder, first=2), expected)
        most = 0 if world_size == 4 else 1e-5
        assert difference(folder, tmp_path / "uninterrupted") <= most
        alone = [ANGLE in line for line in log_of(folder, first=2)]  # one process has all prototypes
        assert alone == [world_size == 1] * 2


@pytest.mark.slow
def test_a_run_with_all_prototypes_goes_on_with_shares_of_them(run, tmp_path):
    settings = {"train.steps": 2, "loss": {"kind": "softmax_center"}, "mhe.weight": 10.0}
    run(tmp_path / "whole", 1, **(settings | {"train.steps": 4}))
    run(tmp_path / "cut", 1, **settings)
    run(tmp_path / "cut", 2, **(settings | {"head": "sharded", "train.steps": 4}))
    assert_same_log(log_of(tmp_path / "cut", first=2), log_of(tmp_path / "whole", first=2))
    assert difference(tmp_path / "cut", tmp_path / "whole") < 1e-5


@pytest.mark.slow
def test_a_fine_tuning_begins_with_the_shares_of_its_starts_prototypes(run, tmp_path):
    run(tmp_path / "start", 1, **{"train.steps": 1})
    settings = {"train.steps": 2, "mhe.weight": 10.0, "init_from": str(tmp_path / "start")}
    run(tmp_path / "whole", 1, **settings)
    run(tmp_path / "shares", 2, **settings, head="sharded")
    assert_same_log(log_of(tmp_path / "shares"), log_of(tmp_path / "whole"))
    assert difference(tmp_path / "shares", tmp_path / "whole") < 1e-5


@pytest.mark.slow
def test_shares_beside_a_compiled_network_make_the_updates_of_one_process_without_a_compiler(run, tmp_path):
    """DDP cuts the network's graph in two, where its buckets of gradients end."""
    settings = {"train.steps": 4, "optimizer.clip_norm": CLIP}
    run(tmp_path / "plain", 1, **settings)
    compiled = {"head": "sharded", "train.compile": True, "train.accumulate": 2}
    found = run(tmp_path / "compiled", 2, **settings, **compiled)
    assert sorted(found) == [(1, 0), (2, 0)]  # the main process tests the model that it saves, too
    expected = log_of(tmp_path / "plain")
    assert {line["gradient_norm"] > CLIP for line in expected} == {True, False}
    assert_same_log(log_of(tmp_path / "compiled"), expected)
    assert difference(tmp_path / "compiled", tmp_path / "plain") < 1e-5
