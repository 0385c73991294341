"""CoMHE: the energy of projected neurons, and the three kinds of projection."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from sphereface_plus.mhe import (
    AdversarialProjection,
    AnglePreservingProjection,
    EnergyTerm,
    MHERegularizer,
    RandomProjection,
    hyperspherical_energy,
)
from sphereface_plus.mhe.compressive import angle_mismatch

LEARNT = [AnglePreservingProjection, AdversarialProjection]


def projection_of(objective):
    return objective.projection.view(objective.size, objective.dimensions)


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize(("power", "distance"), [(2.0, "euclidean"), (1.0, "angular")])
def test_random_projection_is_the_mean_literal_energy_of_the_projected_neurons(
    power, distance, half_space, literal_energy
):
    weight = torch.randn(6, 12, dtype=torch.float64)
    objective = RandomProjection(
        12, size=5, num_projections=3, power=power, distance=distance, half_space=half_space
    ).double()
    objective.advance(weight, 7)
    pairs = 6 * 5 if not half_space else 12 * 11
    energies = [
        literal_energy(torch.stack([p @ w for w in weight]), power, distance, half_space) / pairs
        for p in objective.projections
    ]
    torch.testing.assert_close(objective(weight), sum(energies) / 3)


def test_random_projections_are_a_function_of_seed_and_step():
    weight = torch.randn(5, 8)

    def energies(seed, steps):
        objective = RandomProjection(8, size=4, num_projections=2, seed=seed)
        found = []
        for step in steps:
            objective.advance(weight, step)
            found.append(objective(weight).item())
        return found

    assert energies(0, [0, 1, 2]) == energies(0, [2, 1, 0])[::-1]
    assert len({*energies(0, [0, 1, 2]), *energies(1, [0, 1, 2])}) == 6


def test_projections_are_standard_normal_and_their_directions_are_uniform():
    objective = RandomProjection(300, size=40, num_projections=20)
    assert objective.projections.mean().abs().item() < 0.01
    assert objective.projections.std().item() == pytest.approx(1, abs=0.01)


def test_random_projections_are_not_stored_but_drawn_again():
    weight = torch.randn(5, 8)
    objective = RandomProjection(8, seed=3)
    objective.advance(weight, 41)
    other = RandomProjection(8, seed=3)
    other.load_state_dict(objective.state_dict())
    assert list(objective.state_dict()) == ["_extra_state"]
    assert torch.equal(other(weight), objective(weight))


@pytest.mark.parametrize("kind", LEARNT)
def test_learnt_projection_is_the_energy_of_the_projected_neurons(kind):
    weight = torch.randn(6, 12, dtype=torch.float64)
    objective = kind(12, size=4, half_space=True).double()
    objective.advance(weight, 0)
    expected = hyperspherical_energy(weight @ projection_of(objective).T, half_space=True)
    torch.testing.assert_close(objective(weight), expected)
    assert objective.projection.norm().item() == pytest.approx(1)


def test_angle_preserving_projection_comes_to_keep_the_angles():
    weight = torch.randn(20, 30)
    objective = AnglePreservingProjection(30, size=10)
    mismatch = []
    for step in range(60):
        mismatch.append(angle_mismatch(weight, weight @ projection_of(objective).T).item())
        objective.advance(weight, step)
    assert mismatch[-1] < 0.3 * mismatch[0]


def test_angle_mismatch_is_the_mean_squared_difference_of_the_angles():
    neurons, projected = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)

    def angle(u, v):
        return torch.arccos(u @ v / (u.norm() * v.norm()))

    squares = [
        (angle(neurons[i], neurons[j]) - angle(projected[i], projected[j])) ** 2
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    torch.testing.assert_close(angle_mismatch(neurons, projected), torch.stack(squares).mean())


def test_adversarial_projection_climbs_the_energy():
    weight = torch.randn(20, 30)
    objective = AdversarialProjection(30, size=10, inner_rate=1e-3)
    energies = [objective(weight).item()]
    for step in range(3):
        objective.advance(weight, step)
        energies.append(objective(weight).item())
    assert min(energies[1:]) > energies[0]


@pytest.mark.parametrize("kind", LEARNT)
def test_unrolled_gradient_sees_how_the_projection_would_move(kind):
    weight = torch.randn(5, 6, dtype=torch.float64).requires_grad_()
    plain, unrolled = (kind(6, size=3, inner_rate=0.1, unrolled=u).double() for u in (False, True))
    with torch.no_grad():  # the value is that one step further on
        ahead = kind(6, size=3, inner_rate=0.1, inner_steps=1).double()
        ahead.advance(weight, 0)
        torch.testing.assert_close(unrolled(weight), ahead(weight))
    gradients = [torch.autograd.grad(o(weight), weight)[0] for o in (ahead, unrolled, plain)]
    assert (gradients[0] - gradients[1]).norm() > 1e-3 * gradients[1].norm()
    torch.autograd.gradcheck(unrolled, weight)


@pytest.mark.parametrize("in_a_model", [False, True])
@pytest.mark.parametrize("kind", LEARNT)
def test_unrolled_projections_train_for_several_steps_and_stay_buffers_without_gradient(kind, in_a_model):
    if in_a_model:
        model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 5))
        term = EnergyTerm(objective=partial(kind, size=3, unrolled=True))
        regularizer = MHERegularizer(model, hidden=term, output=None)
        weight, penalty, objective = model[0].weight, regularizer.penalty, regularizer.objectives[0]
    else:
        weight, objective = nn.Parameter(torch.randn(8, 6)), kind(6, size=3, unrolled=True)

        def penalty(step: int) -> torch.Tensor:
            objective.advance(weight, step)
            return objective(weight)

    optimizer = torch.optim.SGD([weight], lr=0.01)
    states = []
    for step in range(3):
        optimizer.zero_grad()
        penalty(step).backward()
        assert weight.grad is not None
        assert weight.grad.isfinite().all()
        assert weight.grad.any()
        assert not objective.projection.requires_grad
        assert objective.step == step
        states.append(objective.projection.clone())
        optimizer.step()
    assert not torch.equal(states[0], states[1])
    assert not torch.equal(states[1], states[2])


@pytest.mark.parametrize("kind", LEARNT)
def test_a_resumed_projection_goes_on_as_the_uninterrupted_one(kind):
    weight = torch.randn(8, 6)
    objective = kind(6, size=3, seed=1)
    for step in range(3):
        objective.advance(weight, step)
    resumed = kind(6, size=3, seed=99)
    resumed.load_state_dict(objective.state_dict())
    for o in (objective, resumed):
        o.advance(weight, 2)  # done already
        o.advance(weight, 3)
    assert torch.equal(objective.projection, resumed.projection)


@pytest.mark.parametrize("kind", [RandomProjection, *LEARNT])
def test_a_projection_to_one_dimension_is_refused(kind):
    with pytest.raises(ValueError, match="must be at least 2, got 1"):
        kind(6, size=1)


@pytest.mark.parametrize("kind", [RandomProjection, *LEARNT])
def test_coincident_opposite_and_zero_neurons_have_finite_gradients(kind):
    weight = torch.randn(6, 8)
    weight[1], weight[2], weight[3] = weight[0], -weight[0], 0
    weight.requires_grad_()
    objective = kind(8, size=3)
    objective.advance(weight, 0)
    objective(weight).backward()
    assert objective(weight).isfinite()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
