"""Networks with batch normalisation: every loss trains one; statistics are trained, kept, resumed, used."""

from functools import partial
from typing import get_args

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.config.losses import WITHOUT_PROTOTYPES, LossConfig
from sphereface_plus.data.crops import normalise
from sphereface_plus.embedding import Embedder
from sphereface_plus.losses import build_loss
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.energies import NoEnergy, PrototypeEnergy
from sphereface_plus.training.network import TrainedNetwork
from sphereface_plus.training.run import train
from sphereface_plus.training.sgd import ScheduledSGD

CHANGES = {"network.name": "mobilefacenet", "loss": {"kind": "arcface"}, "optimizer.milestones": []}


LOSSES = get_args(get_args(LossConfig)[0])
KINDS = [kind for loss in LOSSES for kind in get_args(loss.model_fields["kind"].annotation)]
SIZES = [(32, 32), (112, 96), (112, 112)]


@pytest.mark.parametrize(
    ("kind", "size"), [*((kind, SIZES[0]) for kind in KINDS), *(("a_softmax", size) for size in SIZES[1:])]
)
def test_every_loss_and_crop_size_makes_an_update(tiny, kind, size):
    height, width = size
    changes = {
        "network.input": {"template": "test", "height": height, "width": width},
        "loss": {"kind": kind},
    }
    changes |= {"data.images_per_identity": 2, "mhe": {} if kind in WITHOUT_PROTOTYPES else {"weight": 1.0}}
    settings = tiny(**CHANGES | changes)
    network = build_network(settings.network)
    loss = build_loss(settings.loss, num_identities=3, embedding_size=16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    energies = NoEnergy() if kind in WITHOUT_PROTOTYPES else PrototypeEnergy(loss, settings.mhe, log_every=1)
    alone = Processes(0, 1, torch.device("cpu"))
    learner = ClassifierLearner(
        TrainedNetwork(network, partial(normalise, spec=settings.network.input), alone),
        loss,
        energies=energies,
        optimizer=ScheduledSGD(network, loss, settings.optimizer),
        processes=alone,
        measure_every=1,
    )
    crops = torch.randint(256, (6, height, width, 3), dtype=torch.uint8)
    scalars = learner.update([(crops, torch.tensor([0, 0, 1, 1, 2, 2]))], step=0)
    assert float(scalars["loss"]) > 0
    assert ("mhe/energy" in scalars) == (kind not in WITHOUT_PROTOTYPES)
    after = network.state_dict()
    same = {name for name, value in before.items() if torch.equal(after[name], value)}
    assert same == set()
    assert all(value.isfinite().all() for value in after.values())


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
