"""Runs with networks that have batch normalisation: their statistics are trained, kept, resumed, and used."""

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.embedding import Embedder
from sphereface_plus.training.run import train

CHANGES = {"network.name": "mobilefacenet", "loss": {"kind": "arcface"}, "optimizer.milestones": []}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backbones")


def network_of(folder):
    return checkpoint.load(checkpoint.resolve(folder))["network"]


def test_a_resumed_run_repeats_the_uninterrupted_one_running_statistics_included(tiny, folder):
    train(tiny(**CHANGES, **{"train.steps": 4}), folder / "whole")
    train(tiny(**CHANGES, **{"train.steps": 2}), folder / "cut")
    train(tiny(**CHANGES, **{"train.steps": 4}), folder / "cut", resume=True)
    whole, cut = network_of(folder / "whole"), network_of(folder / "cut")
    assert all(torch.equal(tensor, cut[name]) for name, tensor in whole.items())
    assert whole["features.layers.3.num_batches_tracked"] == 4
    assert whole["features.layers.3.running_mean"].any()


def test_an_embedder_uses_the_running_statistics_and_not_the_batch(tiny, folder):
    if not (folder / "whole").exists():
        train(tiny(**CHANGES, **{"train.steps": 4}), folder / "whole")
    embedder = Embedder.load(folder / "whole")
    crops = torch.randint(256, (4, 32, 32, 3), dtype=torch.uint8).numpy()
    together, alone = embedder(crops), embedder(crops[:1])
    torch.testing.assert_close(torch.from_numpy(together[:1]), torch.from_numpy(alone), rtol=1e-4, atol=1e-5)
