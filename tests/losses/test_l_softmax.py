import math

import pytest
import torch

from sphereface_plus.losses import LSoftmaxLoss, SoftmaxLoss
from sphereface_plus.losses.annealing import Annealing


def make(**settings):
    return LSoftmaxLoss(7, 5, **settings).double()


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, cross_entropy, margin, seen):
    annealing = {"lambda_base": 10.0, "lambda_gamma": 0.1, "lambda_power": 2.0}
    loss, (x, labels) = make(margin=margin, **annealing), batch()
    lambda_ = Annealing(base=10.0, gamma=0.1, power=2.0, minimum=0.0)(4)
    w, expected = loss.prototypes.detach(), []
    for row, label, vector in zip(angles(x, w), labels.tolist(), x.tolist(), strict=True):
        logits = [
            math.hypot(*v) * math.hypot(*vector) * math.cos(a) for a, v in zip(row, w.tolist(), strict=True)
        ]
        k = math.floor(margin * row[label] / math.pi)
        psi = (-1) ** k * math.cos(margin * row[label]) - 2 * k
        product = math.hypot(*w[label].tolist()) * math.hypot(*vector)
        logits[label] = product * (lambda_ * math.cos(row[label]) + psi) / (1 + lambda_)
        expected.append(logits)
    output = seen(loss, x, labels, 4)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(output.plain_logits, x @ w.T)
    assert output.loss.item() == pytest.approx(cross_entropy(expected, labels))
    assert output.terms["lambda"].item() == pytest.approx(lambda_)


def test_margin_1_is_softmax_in_value_and_gradient(batch, assert_same):
    loss, (x, labels) = make(margin=1, lambda_base=0.0), batch()
    parent = SoftmaxLoss(7, 5).double()
    assert_same(loss, parent, x, labels)


def test_the_gradient_is_the_derivative(batch):
    loss, (x, labels) = make(lambda_base=1.0), batch(4)
    x = x / 8

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


def test_other_margins_are_refused():
    with pytest.raises(ValueError, match="margin is 1, 2, 3 or 4, got 5"):
        make(margin=5)
