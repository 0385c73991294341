import math

import pytest
import torch

from sphereface_plus.config import ConfigError
from sphereface_plus.config.losses import MagFaceConfig
from sphereface_plus.config.strict import validate
from sphereface_plus.losses import ArcFaceLoss, MagFaceLoss


def make(**settings):
    return MagFaceLoss(7, 5, **settings).double()


def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, cross_entropy, seen):
    settings = {"length_min": 10.0, "length_max": 20.0, "margin_min": 0.2, "margin_max": 0.6}
    loss, (x, labels) = make(scale=20.0, length_weight=35.0, **settings), batch()
    x[0], x[1] = x[0] / x[0].norm(), 50 * x[1] / x[1].norm()  # outside both bounds
    theta, expected, terms = angles(x, loss.prototypes.detach()), [], []
    for row, label, vector in zip(theta, labels.tolist(), x.tolist(), strict=True):
        a = min(20.0, max(10.0, math.hypot(*vector)))
        logits = [20 * math.cos(angle) for angle in row]
        logits[label] = 20 * math.cos(row[label] + 0.2 + 0.4 * (a - 10) / 10)
        expected.append(logits)
        terms.append(1 / a + a / 20**2)
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    term = sum(terms) / len(terms)
    assert output.terms["length_term"].item() == pytest.approx(term)
    assert output.loss.item() == pytest.approx(cross_entropy(expected, labels) + 35 * term)


def test_a_margin_that_does_not_grow_is_arcfaces(batch):
    loss, (x, labels) = make(margin_min=0.5, margin_max=0.5, length_weight=0.0), batch()
    parent = ArcFaceLoss(7, 5, scale=64.0, margin_radians=0.5).double()
    parent.prototypes = loss.prototypes
    torch.testing.assert_close(loss(x, labels, 0).loss, parent(x, labels, 0).loss)


def test_the_gradient_is_the_derivative(batch):
    loss, (x, labels) = make(scale=3.0, length_min=1.0), batch(4)

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


def test_the_length_term_is_least_at_the_upper_bound_and_lengthens_what_is_shorter():
    loss = make(margin_min=0.0, margin_max=0.0)
    x = (50 * torch.nn.functional.normalize(torch.randn(3, 5))).double().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x, torch.arange(3), 0).loss, x)
    assert ((gradient * x).sum(1) < 0).all()  # a descent step lengthens


def test_a_length_outside_the_bounds_gets_no_gradient(batch):
    loss, (x, labels) = make(length_min=100.0), batch()
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_(), labels, 0).loss, x)
    along = (gradient * x.detach()).sum(1)
    torch.testing.assert_close(along, torch.zeros_like(along))


def test_bounds_out_of_order_are_refused():
    with pytest.raises(
        ValueError, match=r"length_min must be above 0 and below length_max, got 9\.0 and 3\.0"
    ):
        make(length_min=9.0, length_max=3.0)
    with pytest.raises(ConfigError, match=r"loss\.length_min 200\.0 must be below loss\.length_max 110\.0"):
        validate(MagFaceConfig, {"kind": "magface", "length_min": 200.0}, "test")
    with pytest.raises(ConfigError, match=r"loss\.margin_min 0\.9 must be below loss\.margin_max 0\.8"):
        validate(MagFaceConfig, {"kind": "magface", "margin_min": 0.9}, "test")


def test_the_easy_margin_leaves_angles_of_90_degrees_and_more_alone(seen):
    loss = MagFaceLoss(2, 2, scale=1.0, length_min=1.0, length_max=3.0, easy_margin=True).double()
    with torch.no_grad():
        loss.prototypes.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    degrees = torch.tensor([30.0, 89.0, 91.0, 150.0], dtype=torch.float64)
    theta = torch.deg2rad(degrees)
    x = 2.0 * torch.stack([theta.cos(), theta.sin()], dim=1)
    logits = seen(loss, x, torch.zeros(4, dtype=torch.long), 0).logits[:, 0]
    margin = (0.45 + 0.8) / 2  # of the length in the middle
    torch.testing.assert_close(logits, torch.where(degrees < 90, (theta + margin).cos(), theta.cos()))
