"""The presets against the released code's formula, written out from its description."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from sphereface_plus.mhe import EnergyTerm, MHERegularizer, hyperspherical_energy, preset

POWERS, DISTANCES = (0.0, 1.0, 2.0), ("euclidean", "angular")


def code_energy(weight: torch.Tensor, power: float, distance: str, half_space: bool) -> torch.Tensor:
    """Mean over unordered pairs of the released code's kernel, its epsilons included."""
    lengths = (weight.square().sum(dim=1, keepdim=True) + 1e-4).sqrt()
    points = weight / lengths
    if half_space:
        points = torch.cat([points, -points])
    i, j = torch.triu_indices(len(points), len(points), offset=1)
    cosine = (points @ points.T)[i, j]
    if distance == "euclidean":
        squared = 2 - 2 * cosine
        return {0.0: -squared.log(), 1.0: squared**-0.5, 2.0: 1 / squared}[power].mean()
    z = cosine.arccos() / math.pi + 1e-4
    return {0.0: -z.log(), 1.0: 1 / z, 2.0: 1 / z**2}[power].mean()


# (hidden, output) coefficient of the code, and of the logs in full and in half-space; a tenth for a1 and a2
COEFFICIENTS = {
    ("mhe_code", False): (1.0, 10.0),
    ("mhe_code", True): (1.0, 10.0),
    ("mhe_log_full", False): (0.1, 1.0),
    ("mhe_log_half", True): (1.0, 10.0),
}


@pytest.mark.parametrize(("power", "distance"), [*itertools.product(POWERS, DISTANCES)])
@pytest.mark.parametrize(("name", "half_space"), COEFFICIENTS)
def test_penalties_and_gradients_are_those_of_the_released_code(name, half_space, power, distance):
    # lengths as after initialisation and as shrunk by weight decay
    model = nn.Sequential(nn.Linear(40, 12), nn.Linear(12, 30), nn.Linear(30, 10)).double()
    for layer, length in zip(model, (1.4, 0.4, 1.4), strict=True):
        nn.init.normal_(layer.weight, std=length / layer.in_features**0.5)
    ours = MHERegularizer(model, **preset(name, power=power, distance=distance, half_space=half_space))
    tenth = 0.1 if distance == "angular" and power else 1.0
    hidden, output = COEFFICIENTS[name, half_space]
    theirs = tenth * (
        hidden * sum(code_energy(layer.weight, power, distance, half_space) for layer in model[:2])
        + output * code_energy(model[2].weight, power, distance, False)
    )
    constant = 0.0
    if (power, distance) == (0.0, "angular"):
        constant = (2 * hidden + output) * math.log(math.pi)  # -log(theta/pi), without a gradient
    assert ours.penalty().item() + constant == pytest.approx(theirs.item(), rel=2e-3)
    for layer in model:
        (our_gradient,) = torch.autograd.grad(ours.penalty(), layer.weight)
        (gradient,) = torch.autograd.grad(theirs, layer.weight, retain_graph=True)
        guards = 2.5e-2 if (half_space, power, distance) == (True, 0.0, "angular") else 1e-2
        assert (our_gradient - gradient).norm() < guards * gradient.norm()


@pytest.mark.parametrize(("length", "percent"), [(0.4, 2.05), (1.4, 0.59)])
def test_the_codes_guards_change_one_gradient_by_more_than_1_percent(length, percent):
    """Angular, half-space, s = 0: what presets.py says of it, at the size of CNN-9's layers."""
    weight = torch.randn(64, 576, dtype=torch.float64)
    weight = (weight * length / weight.norm(dim=1, keepdim=True)).requires_grad_()
    energy = hyperspherical_energy(weight, power=0.0, distance="angular", half_space=True)
    (ours,) = torch.autograd.grad(energy, weight)
    (theirs,) = torch.autograd.grad(code_energy(weight, 0.0, "angular", True), weight)
    assert 100 * ((ours - theirs).norm() / theirs.norm()).item() == pytest.approx(percent, abs=0.1)


def test_the_paper_has_10_in_full_space_1_in_half_space_and_1_for_the_output():
    for power, distance in itertools.product((0.0, 1.0, 2.0, 5.0), DISTANCES):
        full = preset("paper", power=power, distance=distance)
        half = preset("paper", power=power, distance=distance, half_space=True)
        assert full == {
            "hidden": EnergyTerm(10.0, power, distance),
            "output": EnergyTerm(1.0, power, distance),
        }
        assert half["hidden"] == EnergyTerm(1.0, power, distance, half_space=True)
        assert half["output"] == full["output"]


def test_the_logs_weights_in_full_space_are_means_over_the_ten_layers_of_cnn9():
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(10)), nn.Linear(8, 4))
    logged = MHERegularizer(model, **preset("mhe_log_full"))
    mean = MHERegularizer(model, hidden=EnergyTerm(1.0, layer_reduction="mean"), output=EnergyTerm(1.0))
    torch.testing.assert_close(logged.penalty(), mean.penalty())


def test_a_preset_knows_its_own_space():
    assert preset("mhe_log_half")["hidden"].half_space
    assert not preset("mhe_log_full")["hidden"].half_space
    assert not preset("mhe_code")["hidden"].half_space


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("caffe", {}, "no preset 'caffe'; there are paper, mhe_code, mhe_log_full, mhe_log_half"),
        ("mhe_log_full", {"half_space": True}, "the preset mhe_log_full is full-space; drop half_space"),
        ("mhe_log_half", {"half_space": False}, "the preset mhe_log_half is half-space; drop half_space"),
        ("mhe_code", {"power": 3.0}, "the released code has the powers 0, 1 and 2, not 3.0"),
    ],
)
def test_what_a_preset_does_not_have_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        preset(name, **settings)
