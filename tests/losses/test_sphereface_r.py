import math

import pytest
import torch

from sphereface_plus.config import ConfigError
from sphereface_plus.config.losses import SphereFaceRConfig
from sphereface_plus.config.strict import validate
from sphereface_plus.losses import AMSoftmaxLoss, SphereFaceRLoss
from sphereface_plus.losses.psi import psi
from sphereface_plus.losses.sphereface_r import psi_v0, psi_v1

VERSIONS = ["v0", "v1", "v2"]


def make(**settings):
    return SphereFaceRLoss(7, 5, **settings).double()


def slow_values(theta, label, version, m):
    values = [math.cos(angle) for angle in theta]
    if version == "v2":
        return [math.cos(angle / m) if j != label else math.cos(angle) for j, angle in enumerate(theta)]
    moved = m * theta[label]
    k = math.floor(moved / math.pi)
    values[label] = (-1) ** k * math.cos(moved) - 2 * k if version == "v0" else math.cos(min(moved, math.pi))
    return values


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("normalisation", ["hard", "none", "soft"])
def test_the_loss_equals_its_formula_entry_by_entry(
    batch, angles, cross_entropy, version, normalisation, seen
):
    weights = {} if normalisation == "none" else {"scale": 20.0, "loss_weight": 10.0}
    loss, (x, labels) = make(version=version, normalisation=normalisation, margin=1.7, **weights), batch()
    lengths = [math.hypot(*row) for row in x.tolist()]
    factors = [20.0] * len(lengths) if normalisation == "hard" else lengths
    theta = angles(x, loss.prototypes.detach())
    expected = [
        [factor * value for value in slow_values(row, label, version, 1.7)]
        for row, label, factor in zip(theta, labels.tolist(), factors, strict=True)
    ]
    value = cross_entropy(expected, labels)
    if normalisation != "none":
        value *= 10 / 20
    if normalisation == "soft":
        value += 0.01 * sum(abs(length - 20) for length in lengths) / len(lengths)
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    assert output.loss.item() == pytest.approx(value)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("gradient", ["detached", "exact"])
def test_without_margin_it_is_the_normalised_softmax_in_value_and_gradient(
    batch, assert_same, version, gradient
):
    loss, (x, labels) = make(version=version, margin=1.0, gradient=gradient, loss_weight=30.0), batch()
    parent = AMSoftmaxLoss(7, 5, scale=30.0, margin_cosine=0.0).double()
    assert_same(loss, parent, x, labels)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("normalisation", ["hard", "none", "soft"])
def test_the_exact_gradient_is_the_derivative(batch, version, normalisation):
    loss, (x, labels) = make(version=version, normalisation=normalisation, gradient="exact"), batch(4)
    x = x / 8  # logits of a few units: the difference quotient needs them

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_detached_gradient_is_that_of_the_plain_cosine(batch, version, seen):
    loss, (x, labels) = make(version=version), batch()
    x.requires_grad_()
    output = seen(loss, x, labels, 0)
    (gradient,) = torch.autograd.grad(output.loss, x)
    slope = (output.logits.softmax(1) - torch.nn.functional.one_hot(labels, 7)) / len(labels)
    cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(loss.prototypes.detach()).T
    (expected,) = torch.autograd.grad((30 * cosine * slope).sum() * 50 / 30, x)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("margin", [1, 2, 3, 4])
def test_psi_of_an_integer_margin_is_sphereface_s(margin):
    theta = torch.linspace(0, math.pi, 1001, dtype=torch.float64)
    torch.testing.assert_close(psi_v0(theta, margin), psi(theta.cos(), margin), rtol=0, atol=1e-9)


@pytest.mark.parametrize("margin", [1.3, 1.5, 2.7])
def test_psi_of_a_real_margin_is_continuous_and_never_rises(margin):
    theta = torch.linspace(0, math.pi, 20001, dtype=torch.float64)
    for psi_of in (psi_v0, psi_v1):
        steps = psi_of(theta, margin).diff()
        assert steps.max() <= 1e-12
        assert steps.min() > -margin * math.pi / 20000 - 1e-9


def test_the_margin_grows_at_its_steps():
    loss = make(margin=1.0, margin_growth=0.2, margin_steps=(3, 5))
    assert [round(loss.margin_at(step), 6) for step in range(7)] == [1.0, 1.0, 1.0, 1.2, 1.2, 1.4, 1.4]


@pytest.mark.parametrize(
    ("normalisation", "setting"), [("none", "scale"), ("none", "loss_weight"), ("hard", "length_weight")]
)
def test_settings_without_effect_are_refused(normalisation, setting):
    tree = {"kind": "sphereface_r", "normalisation": normalisation, setting: 7.0}
    with pytest.raises(
        ConfigError, match=rf"loss\.{setting} has no effect with loss\.normalisation: {normalisation}"
    ):
        validate(SphereFaceRConfig, tree, "test")
