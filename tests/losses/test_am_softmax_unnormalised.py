import math

import pytest
import torch

from sphereface_plus.losses import ASoftmaxLoss, UnnormalisedAMSoftmaxLoss


def make(**settings):
    return UnnormalisedAMSoftmaxLoss(7, 5, **settings).double()


def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, cross_entropy, seen):
    loss, (x, labels) = make(margin_cosine=0.4, margin_growth=0.05), batch()
    expected = []
    theta = angles(x, loss.prototypes.detach())
    for row, label, vector in zip(theta, labels.tolist(), x.tolist(), strict=True):
        length = math.hypot(*vector)
        expected.append([length * (math.cos(a) - 0.15 * (j == label)) for j, a in enumerate(row)])
    output = seen(loss, x, labels, 3)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    assert output.loss.item() == pytest.approx(cross_entropy(expected, labels))


def test_the_margin_grows_from_0_to_its_end():
    loss = make()
    assert [loss.margin_at(step) for step in (0, 1, 4000, 8000, 28000)] == pytest.approx(
        [0, 5e-5, 0.2, 0.4, 0.4]
    )


def test_before_the_margin_grows_it_is_softmax_over_normalised_prototypes(batch):
    loss, (x, labels) = make(), batch()
    parent = ASoftmaxLoss(7, 5, margin=1).double()
    parent.prototypes = loss.prototypes
    torch.testing.assert_close(loss(x, labels, 0).loss, parent(x, labels, 0).loss)


def test_the_gradient_is_the_derivative(batch):
    loss, (x, labels) = make(margin_growth=0.1), batch(4)
    x = x / 8

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 3)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))
