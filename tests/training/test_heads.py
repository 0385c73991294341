"""A run with a streamed head is one with a dense head, up to rounding, and goes on as exactly."""

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.losses import which_head
from sphereface_plus.training.run import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("heads")


def state_of(folder):
    return checkpoint.load(checkpoint.resolve(folder))


def test_a_run_with_each_head_has_the_same_numbers_with_mhe_and_accumulation(tiny, folder):
    changes = {"optimizer.milestones": [], "train.steps": 4, "mhe": {"weight": 1.0}, "train.accumulate": 2}
    for head in ("dense", "streamed"):
        train(tiny(**changes, head=head), folder / head)
    dense, streamed = (state_of(folder / head) for head in ("dense", "streamed"))
    torch.testing.assert_close(
        streamed["loss"]["prototypes"], dense["loss"]["prototypes"], rtol=1e-4, atol=1e-6
    )
    for name, tensor in dense["network"].items():
        torch.testing.assert_close(streamed["network"][name], tensor, rtol=1e-3, atol=1e-5)


def test_a_resumed_run_with_a_streamed_head_repeats_the_uninterrupted_one(tiny, folder):
    changes = {"optimizer.milestones": [], "mhe": {"weight": 1.0}, "train.accumulate": 2, "head": "streamed"}
    if not (folder / "streamed").exists():
        train(tiny(**changes, **{"train.steps": 4}), folder / "streamed")
    train(tiny(**changes, **{"train.steps": 2}), folder / "cut")
    train(tiny(**changes, **{"train.steps": 4}), folder / "cut", resume=True)
    whole, cut = (state_of(folder / name) for name in ("streamed", "cut"))
    for part in ("network", "loss"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, cut[part][name]), name


def test_a_run_says_that_it_takes_the_streamed_head_unless_it_was_asked_for(
    tiny, tmp_path, monkeypatch, capsys
):
    words = (
        "identities: the streamed head makes their products in chunks; head=dense keeps them as one tensor"
    )
    changes = {"optimizer.milestones": [], "train.steps": 1}
    for head, first, said in (("auto", 2**23, False), ("auto", 1, True), ("streamed", 1, False)):
        monkeypatch.setitem(which_head.STREAMED_FROM, "cpu", first)
        train(tiny(**changes, head=head), tmp_path / f"{head}{first}")
        captured = capsys.readouterr()
        assert (words in captured.out + captured.err) == said


def test_a_run_that_sees_a_sample_of_the_prototypes_goes_on_exactly_and_says_so(tiny, tmp_path, capsys):
    changes = {"optimizer.milestones": [], "mhe": {"weight": 1.0}, "train.accumulate": 2, "sample_rate": 0.5}
    train(tiny(**changes, **{"train.steps": 4}), tmp_path / "whole")
    assert "each step sees 3 of 6 prototypes" in "".join(capsys.readouterr())
    train(tiny(**changes, **{"train.steps": 2}), tmp_path / "cut")
    train(tiny(**changes, **{"train.steps": 4}), tmp_path / "cut", resume=True)
    whole, cut = (state_of(tmp_path / name) for name in ("whole", "cut"))
    for part in ("network", "loss"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, cut[part][name]), name
    train(tiny(**changes | {"sample_rate": 1.0}, **{"train.steps": 4}), tmp_path / "all")
    assert not torch.allclose(state_of(tmp_path / "all")["loss"]["prototypes"], whole["loss"]["prototypes"])
