import math

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.networks.sphereconv import OPERATORS, SphereConv2d


def g(operator, theta, k=0.3):
    """The three operators as their authors write them."""
    if operator == "cosine":
        return math.cos(theta)
    if operator == "linear":
        return 1 - 2 / math.pi * theta
    quarter = math.exp(-math.pi / (2 * k))
    u = math.exp(theta / k - math.pi / (2 * k))
    return (1 + quarter) / (1 - quarter) * (1 - u) / (1 + u)


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_output_is_the_operator_at_the_angle_of_one_neuron_and_one_patch(operator):
    layer, x = SphereConv2d(2, 3, 3, 1, operator), torch.randn(2, 2, 4, 5)
    actual = layer(x)
    assert actual.shape == (2, 3, 4, 5)
    padded = F.pad(x, (1, 1, 1, 1))
    for image in range(2):
        for neuron in range(3):
            for row in range(4):
                for column in range(5):
                    w, patch = layer.weight[neuron], padded[image, :, row : row + 3, column : column + 3]
                    lengths = ((w**2).sum() + 1e-4).sqrt() * ((patch**2).sum() + 1e-4).sqrt()
                    theta = math.acos(((w * patch).sum() / lengths).item())
                    output = actual[image, neuron, row, column].item()
                    assert output == pytest.approx(g(operator, theta), abs=1e-5)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_falls_from_one_through_zero_at_a_right_angle_to_minus_one(operator):
    cosines = torch.linspace(-1, 1, 101, dtype=torch.float64)
    values = OPERATORS[operator](cosines)
    torch.testing.assert_close(values[[0, 50, 100]], torch.tensor([-1.0, 0, 1]).double(), atol=2e-3, rtol=0)
    assert (values.diff() > 0).all()


def test_the_fully_connected_form_sees_the_whole_map_as_one_patch():
    layer, x = SphereConv2d(3, 5, 4, 0), torch.randn(2, 3, 4, 4)
    expected = F.cosine_similarity(x.flatten(1)[:, None], layer.weight.flatten(1)[None], dim=2)
    torch.testing.assert_close(layer(x).flatten(1), expected, atol=1e-4, rtol=1e-3)


def test_the_length_of_neurons_and_of_images_changes_next_to_nothing():
    layer, x = SphereConv2d(8, 4, 3, 1), torch.randn(2, 8, 6, 6)
    outputs = layer(x)
    with torch.no_grad():
        layer.weight.mul_(5)
    torch.testing.assert_close(layer(3 * x), outputs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("operator", OPERATORS)
def test_black_images_zero_neurons_and_a_neuron_that_meets_itself_have_finite_gradients(operator):
    layer = SphereConv2d(1, 2, 3, 0, operator)
    with torch.no_grad():
        layer.weight[0] = 1e3
        layer.weight[1] = 0
    x = torch.stack([torch.zeros(1, 3, 3), torch.full((1, 3, 3), 1e3)]).requires_grad_()
    outputs = layer(x).flatten(1)
    torch.testing.assert_close(outputs, torch.tensor([[0.0, 0], [1, 0]]), atol=2e-3, rtol=0)
    outputs.sum().backward()
    assert x.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_gradients_are_the_derivatives(operator):
    layer = SphereConv2d(2, 2, 3, 1, operator).double()
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = layer.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, w: torch.func.functional_call(layer, {"weight": w}, (x,)), (x, weight)
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_under_bf16_autocast_outputs_are_fp32_and_near_the_fp32_ones(operator):
    layer, x = SphereConv2d(16, 8, 3, 1, operator), torch.randn(2, 16, 6, 6)
    with torch.no_grad():
        expected = layer(x)
        with torch.autocast("cpu", torch.bfloat16):
            actual = layer(x)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, atol=5e-3, rtol=0)


@pytest.mark.parametrize("operator", ["linear", "sigmoid"])
def test_under_bf16_autocast_small_angles_keep_their_digits_and_their_gradients(operator):
    # patches some 2.9 degrees from the neuron: a cosine of 0.9987, and bf16 has no number from 0.9961 to 1
    layer = SphereConv2d(16, 1, 3, 0, operator)
    x = layer.weight.detach() + 0.05 * layer.weight.detach().std() * torch.randn(500, 16, 3, 3)
    results = []
    for enabled in (False, True):
        points = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = layer(points).flatten()
        results.append((outputs, *torch.autograd.grad(outputs.sum(), points)))
    torch.testing.assert_close(results[1], results[0], atol=1e-5, rtol=1e-4)
    assert results[1][1].flatten(1).any(dim=1).all()  # no patch has come to rest at the clamp


def test_an_unknown_operator_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="operator: expected one of cosine, linear, sigmoid, got 'square'"):
        SphereConv2d(1, 1, 3, 1, "square")
