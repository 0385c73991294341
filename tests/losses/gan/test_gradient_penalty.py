"""The gradient penalty against finite differences, and where its value is known."""

import pytest
import torch
from torch import nn

from sphereface_plus.losses.gan import clip_weights, gradient_penalty


def literal(discriminator, real, fake, share, one_sided, step=1e-5):
    """By central differences of the score in each pixel, image by image."""
    values = []
    for one, other, part in zip(real, fake, share, strict=True):
        x = (part * one + (1 - part) * other).flatten()
        slope = 0.0
        for pixel in range(len(x)):
            shift = torch.zeros_like(x)
            shift[pixel] = step
            above, below = (discriminator((x + sign * shift).view(1, *one.shape)).item() for sign in (1, -1))
            slope += ((above - below) / (2 * step)) ** 2
        excess = slope**0.5 - 1
        values.append(max(0.0, excess) ** 2 if one_sided else excess**2)
    return sum(values) / len(values)


@pytest.fixture
def discriminator():
    network = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))
    return network.double()


@pytest.mark.parametrize("one_sided", [False, True])
def test_it_is_the_slope_by_finite_differences(discriminator, one_sided):
    discriminator[3].weight.data *= 4  # slopes at both sides of 1
    real, fake = torch.randn(2, 6, 2, 3, 3, dtype=torch.float64)
    share = torch.rand(6, dtype=torch.float64)
    penalty = gradient_penalty(discriminator, real, fake, share, one_sided=one_sided)
    expected = literal(discriminator, real, fake, share, one_sided)
    assert penalty.item() == pytest.approx(expected, rel=1e-6)
    assert expected > 0


def test_its_gradient_by_the_weights_is_that_of_finite_differences(discriminator):
    real, fake = torch.randn(2, 3, 2, 3, 3, dtype=torch.float64)
    share = torch.rand(3, dtype=torch.float64)
    weight = discriminator[0].weight
    (gradient,) = torch.autograd.grad(gradient_penalty(discriminator, real, fake, share), weight)
    for place in ((0, 0, 0, 0), (2, 1, 1, 0)):
        values = []
        for shift in (1e-6, -2e-6):
            weight.data[place] += shift
            values.append(gradient_penalty(discriminator, real, fake, share).item())
        weight.data[place] += 1e-6
        assert gradient[place].item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


@pytest.mark.parametrize(("slope", "two_sided", "one_sided"), [(0.25, 0.5625, 0.0), (3.0, 4.0, 4.0)])
def test_of_a_plane_both_forms_are_known(slope, two_sided, one_sided):
    direction = torch.tensor([0.6, 0.0, 0.8])

    def plane(x):
        return slope * x @ direction

    real, fake, share = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4)
    assert gradient_penalty(plane, real, fake, share).item() == pytest.approx(two_sided, rel=1e-5)
    both = gradient_penalty(plane, real, fake, share, one_sided=True).item()
    assert both == pytest.approx(one_sided, rel=1e-5)


def test_a_flat_discriminator_gives_finite_gradients():
    weight = torch.zeros(3, requires_grad=True)
    penalty = gradient_penalty(lambda x: x @ weight, torch.ones(2, 3), torch.zeros(2, 3), torch.rand(2))
    assert penalty.item() == pytest.approx(1)
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert gradient.isfinite().all()


def test_it_looks_between_the_pairs_and_teaches_neither_image():
    seen, weight = [], torch.tensor(2.0, requires_grad=True)

    def discriminator(x):
        seen.append(x.detach())
        return weight * x.square().sum(dim=1)

    real, fake = torch.ones(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    penalty = gradient_penalty(discriminator, real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.autograd.grad(penalty, (real, fake, weight), allow_unused=True)[:2] == (None, None)
    assert seen[0][:, 0].tolist() == [0.0, 0.25, 1.0]


def test_clipping_cuts_off_and_leaves_the_rest():
    weights = [nn.Parameter(torch.tensor([-3.0, 0.005, 0.02])), nn.Parameter(torch.tensor([0.0]))]
    clip_weights(weights, 0.01)
    assert weights[0].tolist() == pytest.approx([-0.01, 0.005, 0.01])
    assert weights[1].tolist() == [0.0]
