"""The energy with its gradient written out, against the sum over pairs, and where it declines."""

import math

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.mhe.closed_form import Form, closed_form_energies
from sphereface_plus.mhe.energy import mean_energies


def literal(neurons, power, half_space):
    units = neurons / neurons.norm(dim=1, keepdim=True)
    total = neurons.new_zeros(())
    for i in range(len(units)):
        for j in range(len(units)):
            if i == j:
                continue
            for other in (units[j], -units[j]) if half_space else (units[j],):
                distance = (units[i] - other).norm()
                total = total + (-distance.log() if power == 0 else distance**-power)
    return total


def energy_of(neurons, power, half_space):
    """In half-space a neuron counts as two, and has a pair with its own opposite, at a distance of 2."""
    points = (2 if half_space else 1) * len(neurons)
    total = literal(neurons, power, half_space)
    if half_space:
        total = 2 * (total + len(neurons) * (-math.log(2) if power == 0 else 2.0**-power))
    return {"sum": total, "mean": total / (points * (points - 1))}


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("power", [0, 1, 2, 3.5])
def test_value_gradient_and_second_derivative_are_those_of_the_literal_sum(power, half_space, reduction):
    neurons = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    expected = energy_of(neurons, power, half_space)[reduction]
    (found,) = closed_form_energies([neurons], Form(power, half_space, reduction))
    assert found is not None
    assert torch.allclose(found, expected)
    (slope,) = torch.autograd.grad(expected, neurons, create_graph=True)
    (ours,) = torch.autograd.grad(found, neurons, retain_graph=True)
    assert torch.allclose(ours, slope)
    (ours,) = torch.autograd.grad(found, neurons, create_graph=True)
    direction = torch.randn_like(neurons)
    curves = [torch.autograd.grad((it * direction).sum(), neurons)[0] for it in (slope, ours)]
    assert torch.allclose(curves[0], curves[1])


def test_close_pairs_and_neurons_without_a_direction_are_left_to_the_careful_sum():
    neurons = torch.eye(4)
    close, none, opposite = neurons.clone(), neurons.clone(), neurons.clone()
    close[1] = torch.tensor([1.0, 0.1, 0, 0])
    none[2] = 0
    opposite[3] = -opposite[0]
    found = closed_form_energies([neurons, close, none, opposite], Form(2, False))
    assert [energy is None for energy in found] == [False, True, True, False]  # opposites are far apart
    found = closed_form_energies([neurons, close, none, opposite], Form(2, True))
    assert [energy is None for energy in found] == [False, True, True, True]


def test_all_layers_are_asked_at_once_whether_they_have_close_pairs(monkeypatch):
    """A GPU is waited for once, not once a layer."""
    asked, tolist = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda it: asked.append(it.shape) or tolist(it))
    layers = [torch.eye(size, dtype=dtype) for size, dtype in zip((3, 4, 5), MIXED, strict=True)]
    found = closed_form_energies(layers, Form(2, True))
    assert asked == [(9,)]
    assert [energy.dtype for energy in found] == [*MIXED]
    assert closed_form_energies([], Form(2, True)) == []


MIXED = (torch.float32, torch.float64, torch.float32)


def test_energies_of_several_layers_are_those_of_each_whichever_of_them_is_trained():
    layers = [torch.randn(size, requires_grad=size[0] != 4) for size in ((3, 5), (4, 6), (5, 2), (70, 9))]
    with torch.no_grad():
        layers[2][1] = 0.999 * layers[2][0]  # a close pair
    form = {"power": 2.0, "distance": "euclidean", "half_space": True}
    found, alone = mean_energies(layers, **form), [hyperspherical_energy(it, **form) for it in layers]
    torch.testing.assert_close(found, alone)
    assert [energy.requires_grad for energy in found] == [True, False, True, True]
    trained = [layers[0], layers[2], layers[3]]
    for weights in ((1.0, 2.0, 3.0, 4.0), (0.0, 0.0, 1.0, 5.0)):  # of the second, the first has no gradient

        def weighted(energies, weights=weights):
            chosen = [weight * energy for weight, energy in zip(weights, energies, strict=True) if weight]
            return torch.autograd.grad(
                torch.stack(chosen).sum(), trained, retain_graph=True, allow_unused=True
            )

        torch.testing.assert_close(weighted(found), weighted(alone))


def test_the_whole_energy_is_the_same_beside_a_close_pair_and_without_it():
    """The last neuron moves over the border between the two ways."""
    neurons = torch.randn(6, 9, dtype=torch.float64)
    values = []
    for cosine in (0.9799, 0.9801):
        beside = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        unit = neurons[0] / neurons[0].norm()
        beside = beside - (beside @ unit) * unit
        neurons[5] = cosine * unit + (1 - cosine**2) ** 0.5 * beside / beside.norm()
        (found,) = closed_form_energies([neurons], Form(2, True))
        assert (found is None) == (cosine > 0.98)
        values.append(float(hyperspherical_energy(neurons, half_space=True)))
        assert values[-1] == pytest.approx(float(energy_of(neurons, 2, True)["mean"]))
