"""MGD against the determinant itself, and where it is known."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe import negative_log_gram


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("epsilon", [0.7, 1.0, 2.0])
def test_value_is_the_logarithm_of_the_determinant_of_the_kernel_matrix(epsilon, half_space):
    weight = 4 * torch.randn(7, 5, dtype=torch.float64)
    points = [w / w.norm() for w in weight]
    if half_space:
        points += [-u for u in points]
    gram = [[math.exp(-(epsilon**2) * (u - v).square().sum().item()) for v in points] for u in points]
    matrix = torch.tensor(gram, dtype=torch.float64) + 1e-6 * torch.eye(len(points), dtype=torch.float64)
    value = negative_log_gram(weight, epsilon=epsilon, half_space=half_space)
    torch.testing.assert_close(value, -matrix.det().log(), rtol=1e-9, atol=1e-9)


def test_two_neurons_have_a_closed_form():
    angle = 1.1
    weight = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    kernel = math.exp(-(2 - 2 * math.cos(angle)))
    assert negative_log_gram(weight).item() == pytest.approx(
        -math.log((1 + 1e-6) ** 2 - kernel**2), rel=1e-12
    )


def test_gradient_agrees_with_finite_differences():
    weight = torch.randn(6, 3, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(lambda w: negative_log_gram(w, half_space=True), weight)


def test_float32_has_the_digits_of_float64_also_where_neurons_coincide():
    weight = torch.randn(200, 10)
    weight[17] = 2 * weight[3]
    weight.requires_grad_()
    value = negative_log_gram(weight)
    (gradient,) = torch.autograd.grad(value, weight)
    assert value.dtype == gradient.dtype == torch.float32
    assert gradient.isfinite().all()
    torch.testing.assert_close(value.double(), negative_log_gram(weight.double()), rtol=1e-6, atol=0)


def test_the_simplex_is_the_minimum_of_up_to_one_neuron_more_than_dimensions():
    simplex = torch.eye(4, dtype=torch.float64) - 0.25
    least = negative_log_gram(simplex).item()
    for _ in range(20):
        assert negative_log_gram(simplex + 0.1 * torch.randn(4, 4)).item() > least


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf])
def test_a_width_that_is_no_positive_number_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon must be a positive number"):
        negative_log_gram(torch.ones(2, 2), epsilon=epsilon)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_neurons_that_are_not_finite_are_refused(number):
    weight = torch.randn(4, 3)
    weight[2, 1] = number
    with pytest.raises(ValueError, match="some of their weights are NaN or infinite"):
        negative_log_gram(weight)


def test_no_neurons_are_refused():
    with pytest.raises(ValueError, match="at least one neuron, got none"):
        negative_log_gram(torch.ones(0, 2))
