"""MHC against its definition, the inner maximum by a search of the whole circle."""

from __future__ import annotations

import math

import pytest
import torch

from sphereface_plus.mhe import Covering


def literal_covering(weight, distance="euclidean", squared=False, sharpness=None, half_space=False):
    points = weight / weight.norm(dim=1, keepdim=True)
    if half_space:
        points = torch.cat([points, -points])
    turn = torch.linspace(0, 2 * math.pi, 100_001, dtype=torch.float64)
    chords = torch.cdist(torch.stack([turn.cos(), turn.sin()], dim=1), points)
    rho = chords if distance == "euclidean" else 2 * torch.arcsin((chords / 2).clamp(max=1))
    rho = rho**2 if squared else rho
    if sharpness is None:
        return rho.amin(dim=1).max()
    return (-(torch.exp(-sharpness * rho).mean(dim=1).log()) / sharpness).max()


WEIGHT = torch.tensor([[2.0, 0.1], [-1.0, 1.0], [0.3, -3.0], [1.0, 0.5]], dtype=torch.float64)


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_poles_find_the_covering_radius_of_the_circle(distance, half_space):
    objective = Covering(
        2, distance=distance, half_space=half_space, num_poles=8, inner_steps=1500, inner_rate=2e-3
    ).double()
    objective.advance(WEIGHT, 0)
    # the maximum is a kink, half-way between two neurons: as far off as the poles' last step
    torch.testing.assert_close(
        objective(WEIGHT), literal_covering(WEIGHT, distance, half_space=half_space), rtol=0, atol=2e-3
    )


@pytest.mark.parametrize("squared", [False, True])
def test_poles_find_the_largest_soft_minimum(squared):
    objective = Covering(
        2, squared=squared, sharpness=10.0, num_poles=8, inner_steps=500, inner_rate=0.05
    ).double()
    objective.advance(WEIGHT, 0)
    torch.testing.assert_close(
        objective(WEIGHT), literal_covering(WEIGHT, squared=squared, sharpness=10.0), rtol=1e-7, atol=0
    )


def test_the_soft_minimum_tends_to_the_minimum():
    objective = [Covering(5, sharpness=s, seed=3).double() for s in (10.0, 1000.0, None)]
    weight = torch.randn(8, 5, dtype=torch.float64)
    ten, thousand, hard = (o(weight).item() for o in objective)
    assert hard < thousand < hard + math.log(8) / 1000 < ten < hard + math.log(8) / 10


def test_minimising_it_spreads_the_neurons():
    weight = torch.nn.functional.normalize(torch.rand(5, 2, dtype=torch.float64)).requires_grad_()
    objective = Covering(2, num_poles=10, sharpness=20.0).double()
    for step in range(250):
        objective.advance(weight, step)
        (gradient,) = torch.autograd.grad(objective(weight), weight)
        weight = torch.nn.functional.normalize(weight.detach() - 0.985**step * gradient).requires_grad_()
    radius = literal_covering(weight.detach(), "angular").item()
    assert radius == pytest.approx(math.pi / 5, rel=0.03)  # the regular pentagon's


def test_gradient_agrees_with_finite_differences():
    objective = Covering(3, squared=True, sharpness=10.0).double()
    weight = torch.randn(5, 3, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(objective, weight)


@pytest.mark.parametrize("sharpness", [0.0, -1.0, math.nan])
def test_a_sharpness_that_is_not_positive_is_refused(sharpness):
    with pytest.raises(ValueError, match="sharpness must be positive, or None"):
        Covering(3, sharpness=sharpness)
