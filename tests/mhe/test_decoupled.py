"""The decoupled regulariser of section 3.7 and Appendix C; its parts do not disturb each other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sphereface_plus.mhe import DecoupledRegularizer, EnergyTerm, MHERegularizer


def model_of_three() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(), nn.Linear(96, 4))


def test_it_is_the_mean_length_of_all_neurons_and_mhe():
    model = model_of_three()
    mhe = MHERegularizer(model, hidden=EnergyTerm(10.0), output=EnergyTerm(2.0))
    regularizer = DecoupledRegularizer(mhe, magnitude_weight=0.3)
    total, count = torch.zeros(()), 0
    for layer in (model[0], model[1], model[3]):  # a depthwise neuron has a length, too
        for neuron in layer.weight:
            total, count = total + neuron.norm(), count + 1
    torch.testing.assert_close(regularizer.penalty(), 0.3 * total / count + mhe.penalty())
    torch.testing.assert_close(regularizer(), {"magnitude": total / count, **mhe()})


def test_magnitude_moves_lengths_and_directions_move_directions():
    model = model_of_three().double()
    neurons = model[0].weight
    mhe = MHERegularizer(model)
    decoupled = DecoupledRegularizer(mhe, magnitude_weight=1.0)
    (length_gradient,) = torch.autograd.grad(decoupled()["magnitude"], neurons)
    (direction_gradient,) = torch.autograd.grad(mhe.penalty(), neurons)
    units = nn.functional.normalize(neurons.flatten(1))
    torch.testing.assert_close(length_gradient.flatten(1), units / 20)  # 8 + 8 + 4 neurons
    assert (direction_gradient.flatten(1) * units).sum(dim=1).abs().max() < 1e-12


def test_a_zero_neuron_and_autocast_do_no_harm():
    model = model_of_three()
    with torch.no_grad():
        model[0].weight[0] = 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty = DecoupledRegularizer(MHERegularizer(model), magnitude_weight=1.0).penalty()
    penalty.backward()
    assert model[0].weight.grad.isfinite().all()


@pytest.mark.parametrize("weight", [-1.0, float("inf")])
def test_a_bad_weight_is_refused(weight):
    with pytest.raises(ValueError, match=f"magnitude_weight must be a finite number >= 0, got {weight}"):
        DecoupledRegularizer(MHERegularizer(model_of_three()), magnitude_weight=weight)
