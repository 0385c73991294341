"""The energy with its gradient written out, against the sum over pairs, and where it declines."""

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.mhe.closed_form import closed_form_energy


def literal(neurons, power, half_space):
    units = neurons / neurons.norm(dim=1, keepdim=True)
    total = 0.0
    for i in range(len(units)):
        for j in range(len(units)):
            if i == j:
                continue
            for other in (units[j], -units[j]) if half_space else (units[j],):
                distance = (units[i] - other).norm()
                total = total + (-distance.log() if power == 0 else distance**-power)
    return total


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("power", [0, 1, 2, 3.5])
def test_value_gradient_and_second_derivative_are_those_of_the_literal_sum(power, half_space):
    neurons = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    expected, found = literal(neurons, power, half_space), closed_form_energy(neurons, power, half_space)
    assert torch.allclose(found, expected)
    (slope,) = torch.autograd.grad(expected, neurons, create_graph=True)
    (ours,) = torch.autograd.grad(found, neurons, retain_graph=True)
    assert torch.allclose(ours, slope)
    (ours,) = torch.autograd.grad(found, neurons, create_graph=True)
    direction = torch.randn_like(neurons)
    curves = [torch.autograd.grad((it * direction).sum(), neurons)[0] for it in (slope, ours)]
    assert torch.allclose(*curves)


def test_close_pairs_and_neurons_without_a_direction_are_left_to_the_careful_sum():
    neurons = torch.eye(4)
    assert closed_form_energy(neurons, 2, False) is not None
    close, none, opposite = neurons.clone(), neurons.clone(), neurons.clone()
    close[1] = torch.tensor([1.0, 0.1, 0, 0])
    none[2] = 0
    opposite[3] = -opposite[0]
    assert closed_form_energy(close, 2, False) is None
    assert closed_form_energy(none, 2, False) is None
    assert closed_form_energy(opposite, 2, True) is None
    assert closed_form_energy(opposite, 2, False) is not None  # they are as far apart as can be


def test_the_whole_energy_is_the_same_beside_a_close_pair_and_without_it():
    """The last neuron moves over the border between the two ways."""
    neurons = torch.randn(6, 9, dtype=torch.float64)
    values = []
    for cosine in (0.9799, 0.9801):
        beside = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        unit = neurons[0] / neurons[0].norm()
        beside = beside - (beside @ unit) * unit
        neurons[5] = cosine * unit + (1 - cosine**2) ** 0.5 * beside / beside.norm()
        assert (closed_form_energy(neurons, 2, True) is None) == (cosine > 0.98)
        values.append(float(hyperspherical_energy(neurons, half_space=True)))
        pairs = 2 * float(literal(neurons, 2, True)) + 2 * 6 / 4  # and each with its own opposite
        assert values[-1] == pytest.approx(pairs / (12 * 11))
