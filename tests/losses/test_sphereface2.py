import math

import pytest
import torch

from sphereface_plus.losses import SphereFace2Loss
from sphereface_plus.losses.sphereface2 import adjusted, balancing_bias


def make(**settings):
    return SphereFace2Loss(7, 5, **settings).double()


def g(cosine, power):
    return 2 * ((cosine + 1) / 2) ** power - 1


@pytest.mark.parametrize(("margin_type", "margin"), [("C", 0.4), ("A", 0.5), ("M", 1.7)])
def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, margin_type, margin, seen):
    settings = {"balance": 0.8, "scale": 20.0, "power": 3.0, "loss_weight": 10.0}
    loss, (x, labels) = make(margin_type=margin_type, margin=margin, **settings), batch()
    bias, total, rows = loss.bias.item(), 0.0, []
    for row, label in zip(angles(x, loss.prototypes.detach()), labels.tolist(), strict=True):
        rows.append([])
        for j, angle in enumerate(row):
            if margin_type == "C":
                value = g(math.cos(angle), 3) + (-margin if j == label else margin)
            elif j != label:
                value = g(math.cos(angle), 3)
            else:
                value = g(math.cos(min(math.pi, angle + margin if margin_type == "A" else angle * margin)), 3)
            logit = 20 * value + bias
            rows[-1].append(logit)
            total += 0.8 * math.log1p(math.exp(-logit)) if j == label else 0.2 * math.log1p(math.exp(logit))
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, torch.tensor(rows, dtype=torch.float64))
    assert output.loss.item() == pytest.approx(10 * 7 / 20 * total / (7 * len(rows)))


def test_the_three_margins_are_one_where_there_is_none(batch, seen):
    x, labels = batch()
    losses = [make(margin_type=kind, margin=margin) for kind, margin in (("C", 0.0), ("A", 0.0), ("M", 1.0))]
    for loss in losses[1:]:
        loss.load_state_dict(losses[0].state_dict())
    values = [loss(x, labels, 0).loss for loss in losses]
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(values[0], values[2])
    torch.testing.assert_close(
        seen(losses[0], x, labels, 0).logits, seen(losses[0], x, labels, 0).plain_logits
    )


@pytest.mark.parametrize("margin_type", ["C", "A", "M"])
def test_the_gradient_is_the_derivative(batch, margin_type):
    loss, (x, labels) = make(margin_type=margin_type, margin=1.2, scale=3.0), batch(4)

    def value(x, prototypes, bias):
        weights = {"prototypes": prototypes, "bias": bias}
        return torch.func.functional_call(loss, weights, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes, loss.bias))


@pytest.mark.parametrize(("margin_type", "margin"), [("C", 0.4), ("A", 0.5), ("M", 1.7)])
def test_at_the_initial_bias_targets_and_others_pull_equally_at_right_angles(margin_type, margin):
    settings = {"margin_type": margin_type, "margin": margin, "balance": 0.7, "scale": 40.0, "power": 3.0}
    bias = balancing_bias(1000, **settings)
    middle = g(0, 3)
    if margin_type == "C":
        target, other = middle - margin, middle + margin
    else:
        moved = math.pi / 2 + margin if margin_type == "A" else math.pi / 2 * margin
        target, other = g(math.cos(min(moved, math.pi)), 3), middle
    pull_of_target = 0.7 * (1 - 1 / (1 + math.exp(-(40 * target + bias))))
    pull_of_others = 0.3 * 999 / (1 + math.exp(-(40 * other + bias)))
    assert pull_of_target == pytest.approx(pull_of_others, rel=1e-9)


def test_detached_feels_the_plain_cosine(assert_margin_without_gradient):
    def slope(logits, labels):
        one_hot = torch.nn.functional.one_hot(labels, 7)
        weights = torch.where(one_hot.bool(), 0.7, 0.3)
        return (logits.sigmoid() - one_hot) * weights * 50 / len(labels)  # r / r and C / C

    assert_margin_without_gradient(make, slope)


def test_the_adjustment_keeps_the_ends_and_is_steep_between():
    ends = adjusted(torch.tensor([-1.0000001, 1.0]), 3.0)
    assert ends.tolist() == [-1.0, 1.0]
    assert adjusted(torch.tensor([0.0]), 3.0).item() == pytest.approx(-0.75)
