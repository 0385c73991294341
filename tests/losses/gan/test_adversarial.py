"""The adversarial losses against their formulas, written literally."""

import math

import pytest
import torch

from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES

REAL, FAKE = [0.5, -2.0, 3.0], [-0.25, 1.5, -4.0]


def logistic(score):
    return 1 / (1 + math.exp(-score))


def mean(values):
    return sum(values) / len(values)


LITERAL = {
    "standard": (
        -mean([math.log(logistic(s)) for s in REAL]) - mean([math.log(1 - logistic(s)) for s in FAKE]),
        -mean([math.log(logistic(s)) for s in FAKE]),
    ),
    "hinge": (
        -mean([min(0, -1 + s) for s in REAL]) - mean([min(0, -1 - s) for s in FAKE]),
        -mean(FAKE),
    ),
    "wasserstein": (mean(FAKE) - mean(REAL), -mean(FAKE)),
}


@pytest.mark.parametrize("name", LITERAL)
def test_a_loss_is_its_formula_and_has_its_derivative(name):
    loss = ADVERSARIAL_LOSSES[name]
    real, fake = (torch.tensor(scores, dtype=torch.float64, requires_grad=True) for scores in (REAL, FAKE))
    of_discriminator, of_generator = LITERAL[name]
    assert loss.discriminator(real, fake).item() == pytest.approx(of_discriminator, rel=1e-12)
    assert loss.generator(fake).item() == pytest.approx(of_generator, rel=1e-12)
    torch.autograd.gradcheck(loss.discriminator, (real, fake))
    torch.autograd.gradcheck(loss.generator, (fake,))


def test_every_loss_is_tested():
    assert LITERAL.keys() == ADVERSARIAL_LOSSES.keys()


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_each_network_wants_the_scores_that_it_should(name):
    loss = ADVERSARIAL_LOSSES[name]
    real, fake = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    of_real, of_fake = torch.autograd.grad(loss.discriminator(real, fake), (real, fake))
    (of_generator,) = torch.autograd.grad(loss.generator(fake), fake)
    assert (of_real < 0).all()
    assert (of_fake > 0).all()
    assert (of_generator < 0).all()


def test_the_standard_loss_is_finite_with_a_gradient_for_scores_of_any_size():
    fake = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = ADVERSARIAL_LOSSES["standard"]
    assert loss.discriminator(-fake, fake).isfinite()
    (gradient,) = torch.autograd.grad(loss.generator(fake), fake)
    # The alternate cost still teaches where the discriminator is sure; log(1 - D) would give 0 there.
    assert gradient.tolist() == [-0.5, 0.0]
