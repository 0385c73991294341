import inspect

import pytest
import torch

from sphereface_plus.config import AMSoftmaxConfig, ASoftmaxConfig, SoftmaxConfig
from sphereface_plus.losses import AMSoftmaxLoss, ASoftmaxLoss, SoftmaxLoss, build_loss

KINDS = [
    (SoftmaxConfig(kind="softmax"), SoftmaxLoss),
    (ASoftmaxConfig(kind="a_softmax"), ASoftmaxLoss),
    (AMSoftmaxConfig(kind="am_softmax"), AMSoftmaxLoss),
]


@pytest.mark.parametrize(("config", "expected"), KINDS)
def test_build_loss_gives_the_loss_that_the_recipe_names(config, expected):
    loss = build_loss(config, num_identities=9, embedding_size=4)
    assert type(loss) is expected
    assert loss.prototypes.shape == (9, 4)
    output = loss(torch.randn(3, 4), torch.tensor([0, 1, 8]), 0)
    assert output.loss.shape == ()
    assert output.logits.shape == output.plain_logits.shape == (3, 9)


@pytest.mark.parametrize(("config", "loss"), KINDS)
def test_a_loss_has_the_settings_of_its_recipe_with_the_same_defaults(config, loss):
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
    assert {name: getattr(loss, name) for name in config.model_dump(exclude={"kind"})} == config.model_dump(
        exclude={"kind"}
    )
