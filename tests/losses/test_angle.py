import math

import pytest
import torch

from sphereface_plus.losses.angle import angles as angles_of
from sphereface_plus.losses.angle import straight_through
from sphereface_plus.losses.prototypes import units

EAST = torch.tensor([[1.0, 0.0]], dtype=torch.float64)


def at(degrees):
    return torch.tensor([[math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]]).double()


@pytest.mark.parametrize("degrees", [0, 1e-7, 1, 45, 90, 179, 180 - 1e-7, 180])
def test_the_angle_is_exact_from_0_to_pi(degrees):
    theta = angles_of(3 * at(degrees), 7 * EAST)
    assert theta.item() == pytest.approx(math.radians(degrees), rel=1e-7, abs=1e-11)


def test_each_angle_is_that_of_its_row(angles):
    x, w, labels = torch.randn(6, 5).double(), torch.randn(4, 5).double(), torch.tensor([0, 1, 2, 3, 0, 1])
    expected = [row[label] for row, label in zip(angles(x, w), labels.tolist(), strict=True)]
    torch.testing.assert_close(angles_of(x, w[labels]), torch.tensor(expected, dtype=torch.float64))


def test_a_small_angle_keeps_its_digits_in_float32():
    x = torch.tensor([[1.0, 1e-5]])
    assert angles_of(x, EAST.float()).item() == pytest.approx(1e-5, rel=1e-4)
    assert (units(x) @ EAST.float().T).arccos().item() == 0


@pytest.mark.parametrize("vector", [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_the_gradient_is_finite_at_0_at_pi_and_for_zero_vectors(vector):
    x = torch.tensor([vector], requires_grad=True)
    for prototype in (EAST.float(), torch.zeros(1, 2)):
        w = prototype.clone().requires_grad_()
        theta = angles_of(x, w)
        gradients = torch.autograd.grad(theta.sum(), (x, w))
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_zero_vector_is_at_a_right_angle_to_all():
    zero = torch.zeros(1, 2, dtype=torch.float64)
    for x, w in ((zero, EAST), (EAST, zero), (zero, zero)):
        assert angles_of(x, w).item() == pytest.approx(math.pi / 2)
        assert (units(x) * units(w)).sum().item() == 0


def test_the_gradient_of_the_angle_is_the_derivative():
    x, w = torch.randn(4, 5).double().requires_grad_(), torch.randn(3, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: angles_of(x, w[[0, 1, 2, 0]]), (x, w))


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    x = torch.tensor([2.0], requires_grad=True)
    value = straight_through(x**3, 5 * x)
    (gradient,) = torch.autograd.grad(value, x)
    assert (value.item(), gradient.item()) == (8, 5)
