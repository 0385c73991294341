"""What losses have in common: how they share gradients, and their prototypes."""

from types import SimpleNamespace

import pytest
import torch

from sphereface_plus.losses import SmoothedSoftmaxLoss
from sphereface_plus.losses.loss import PrototypeLoss
from tests.losses.settings import SETTINGS, C, D, make


def test_a_loss_joins_its_gradients_by_their_mean_over_processes():
    loss = make({"kind": "softmax", "bias": True})
    loss.prototypes.grad = torch.ones(C, D)
    loss.join_gradients(SimpleNamespace(average=lambda gradient: gradient.div_(2)))
    assert torch.equal(loss.prototypes.grad, torch.full((C, D), 0.5))
    assert loss.bias.grad is None


@pytest.mark.parametrize("kind", {settings["kind"]: None for settings in SETTINGS})
def test_equal_seeds_give_every_kind_of_loss_the_same_first_prototypes(kind):
    torch.manual_seed(3)
    loss = make({"kind": kind})
    torch.manual_seed(3)
    if kind != "triplet":
        a = (3 / D) ** 0.5
        torch.testing.assert_close(loss.prototypes.detach(), (2 * torch.rand(C, D) - 1) * a)
        assert next(iter(loss.state_dict())) == "prototypes"
    assert isinstance(loss, PrototypeLoss) == (kind != "triplet")


def test_image_classification_begins_with_its_own_prototypes():
    torch.manual_seed(3)
    loss = SmoothedSoftmaxLoss(C, D)
    torch.manual_seed(3)
    torch.testing.assert_close(loss.prototypes.detach(), (2 / D) ** 0.5 * torch.randn(C, D))


@pytest.mark.parametrize("training", [True, False])
def test_lengths_are_in_the_graph_or_with_unit_prototypes_constants(training):
    plain = make({"kind": "arcface"}).train(training)
    unit = make({"kind": "arcface", "unit_prototypes": True}).train(training)
    before = unit.prototypes.detach().clone()
    x, labels = torch.randn(4, D), torch.arange(4)
    for loss in (plain, unit):
        products = loss.new_head(x, labels).target_product()
        (gradient,) = torch.autograd.grad(products.sum(), loss.prototypes)
        is_tangential = (gradient * loss.prototypes).sum(dim=1).abs() < 1e-6
        assert is_tangential[:4].all() == (loss is plain)
    lengths = unit.prototypes.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(C) if training else before.norm(dim=1))
    assert torch.equal(unit.prototypes, before) != training
