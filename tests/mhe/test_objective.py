"""What all objectives share: shape checks, precision, state, and how a layer gets its own."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from sphereface_plus.mhe import (
    AdversarialProjection,
    AnglePreservingProjection,
    Covering,
    Polarization,
    RandomProjection,
    hyperspherical_energy,
    negative_log_gram,
    negative_separation,
    relaxed_polarization,
)
from sphereface_plus.mhe.objective import ascend, for_layer, mirrored, random_normal

FUNCTIONS = [negative_separation, negative_log_gram, relaxed_polarization]
STATEFUL = [Covering, Polarization, RandomProjection, AnglePreservingProjection, AdversarialProjection]


def made(objective, dimensions=12):
    return for_layer(objective, dimensions, seed=0)


@pytest.mark.parametrize("objective", FUNCTIONS + STATEFUL)
def test_lengths_of_neurons_do_not_matter_and_gradients_are_tangential(objective):
    weight = torch.randn(9, 12).requires_grad_()
    layer = made(objective)
    value = layer(weight)
    torch.testing.assert_close(layer(weight * torch.rand(9, 1).add(0.5)), value, rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(value, weight)
    assert (gradient * weight).sum(dim=1).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("objective", FUNCTIONS + STATEFUL)
def test_autocast_and_short_numbers_leave_the_objective_in_float32(objective, dtype):
    weight, layer = torch.randn(9, 12).to(dtype), made(objective)
    if objective in STATEFUL:
        layer.advance(weight, 0)
    expected = layer(weight.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        if objective in STATEFUL:
            layer.advance(weight, 0)
        assert torch.equal(layer(weight), expected)
    assert expected.dtype == torch.float32


@pytest.mark.parametrize("objective", FUNCTIONS + STATEFUL)
def test_what_is_no_matrix_of_neurons_is_refused(objective):
    with pytest.raises(ValueError, match="weight must be a floating-point tensor"):
        made(objective)(torch.ones(3, 12, 2))


@pytest.mark.parametrize("kind", STATEFUL)
def test_neurons_of_other_dimensions_are_refused_by_name(kind):
    message = rf"this {kind.__name__} was made for neurons of 12 dimensions, got weight of shape \(4, 5\)"
    for call in (made(kind), lambda weight: made(kind).advance(weight, 0)):
        with pytest.raises(ValueError, match=message):
            call(torch.ones(4, 5))
    with pytest.raises(ValueError, match="dimensions must be at least 1, got 0"):
        kind(0)


@pytest.mark.parametrize("kind", STATEFUL)
def test_advancing_moves_the_state_once_a_step_and_leaves_the_neurons_alone(kind):
    weight = torch.randn(9, 12).requires_grad_()
    layer = made(kind)
    start = layer(weight).item()
    layer.advance(weight, 0)
    once = layer(weight).item()
    layer.advance(weight, 0)
    assert layer(weight).item() == once != start
    assert weight.grad is None
    layer.advance(weight, 1)
    assert layer(weight).item() != once
    assert not any(buffer.requires_grad for buffer in layer.buffers())


@pytest.mark.parametrize("kind", STATEFUL)
def test_the_state_goes_through_state_dict_with_its_step(kind, tmp_path):
    weight, layer = torch.randn(9, 12), made(kind)
    for step in range(3):
        layer.advance(weight, step)
    torch.save(layer.state_dict(), tmp_path / "state.pt")
    resumed = made(kind)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert resumed.step == 2
    assert torch.equal(resumed(weight), layer(weight))


def test_the_state_of_another_objective_is_refused():
    with pytest.raises(ValueError, match="the state is of a Covering, this is a Polarization"):
        made(Polarization).load_state_dict(made(Covering).state_dict())


def test_a_function_stays_and_a_class_or_a_partial_of_one_is_built():
    assert for_layer(negative_separation, 5, 0) is negative_separation
    objective = partial(hyperspherical_energy, power=1.0)
    assert for_layer(objective, 5, 0) is objective
    built = for_layer(partial(Covering, sharpness=10.0), 5, 3)
    assert isinstance(built, Covering)
    assert (built.dimensions, built.sharpness) == (5, 10.0)
    assert torch.equal(built.poles, Covering(5, seed=3).poles)


def test_half_space_of_an_objective_is_that_of_the_mirrored_neurons():
    weight = torch.randn(6, 12)
    for objective in (negative_separation, negative_log_gram):
        torch.testing.assert_close(objective(weight, half_space=True), objective(mirrored(weight)))
    for kind in (Covering, Polarization):
        torch.testing.assert_close(kind(12, half_space=True)(weight), kind(12)(mirrored(weight)))
    torch.testing.assert_close(
        RandomProjection(12, half_space=True)(weight), RandomProjection(12)(mirrored(weight))
    )


def test_random_numbers_depend_on_every_part_of_the_key():
    keys = [(0, 0), (0, 1), (1, 0), (2**32, 0), (0, 2**32)]
    draws = [random_normal((4,), *key) for key in keys]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(keys)
    assert torch.equal(random_normal((4,), 0, 1), draws[1])


def test_ascent_finds_the_top_eigenvector_and_stays_on_the_sphere():
    matrix = torch.randn(5, 5, dtype=torch.float64)
    matrix = matrix @ matrix.T
    points = torch.nn.functional.normalize(torch.randn(3, 5, dtype=torch.float64))
    found = ascend(lambda p: ((p @ matrix) * p).sum(dim=1), points, 3000, 0.02)
    top = torch.linalg.eigh(matrix).eigenvectors[:, -1]
    torch.testing.assert_close((found @ top).abs(), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3, dtype=torch.float64))
