import inspect
from typing import get_args

import pytest
import torch

from sphereface_plus import losses
from sphereface_plus.config import ASoftmaxConfig
from sphereface_plus.config.losses import LossConfig
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.annealing import Annealing

CONFIGS = get_args(get_args(LossConfig)[0])
KINDS = [get_args(config.model_fields["kind"].annotation)[0] for config in CONFIGS]


@pytest.fixture(params=CONFIGS, ids=KINDS)
def config(request):
    return request.param(kind=get_args(request.param.model_fields["kind"].annotation)[0])


def test_build_loss_gives_the_loss_that_the_recipe_names(config, seen):
    loss = build_loss(config, num_identities=9, embedding_size=4)
    assert type(loss).__name__ == type(config).__name__.replace("Config", "Loss")
    assert type(loss).__name__ in losses.__all__
    batch = torch.randn(3, 4), torch.tensor([0, 1, 8])
    assert loss(*batch, 0).loss.shape == ()
    if config.kind != "triplet":
        output = seen(loss, *batch, 0)
        assert loss.prototypes.shape == (9, 4)
        assert output.logits.shape == output.plain_logits.shape == (3, 9)


def test_a_loss_has_the_settings_of_its_recipe_with_the_same_defaults(config):
    loss = type(build_loss(config, num_identities=9, embedding_size=4))
    parameters = inspect.signature(loss).parameters.values()
    keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keywords == config.model_dump(exclude={"kind"})


def test_settings_of_the_recipe_reach_the_loss():
    config = ASoftmaxConfig(
        kind="a_softmax",
        margin=3,
        gradient="caffe",
        lambda_base=900.0,
        lambda_gamma=0.11,
        lambda_power=2.0,
        lambda_min=4.0,
        lambda_start=7,
    )
    loss = build_loss(config, num_identities=9, embedding_size=4)
    assert (loss.margin, loss.gradient) == (3, "caffe")
    assert loss.annealing == Annealing(base=900.0, gamma=0.11, power=2.0, minimum=4.0, start=7)
