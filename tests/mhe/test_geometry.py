"""Smallest angle and tangential part, and the trap that they are there for."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from sphereface_plus.mhe import classifier_energy, smallest_angle, tangential, tangential_norm


@pytest.mark.parametrize("chunk_size", [1, 7, 64, 4096])
def test_smallest_angle_is_that_of_all_pairs(chunk_size):
    weight = 4 * torch.randn(64, 5, dtype=torch.float64)
    units = normalize(weight)
    cosine = (units @ units.T).fill_diagonal_(-1)
    assert smallest_angle(weight, chunk_size=chunk_size) == pytest.approx(
        cosine.max().arccos().item(), rel=1e-12
    )


@pytest.mark.parametrize("angle", [1e-6, 1e-3, 1.0, math.pi - 1e-6])
def test_smallest_angle_of_a_pair_is_exact_at_both_ends(angle, pair_at):
    assert smallest_angle(pair_at(angle, 3)) == pytest.approx(angle, rel=1e-9)


def test_smallest_angle_of_known_sets():
    assert smallest_angle(torch.eye(5)) == pytest.approx(math.pi / 2)
    assert smallest_angle(torch.eye(4) - 1 / 4) == pytest.approx(
        math.acos(-1 / 3)
    )  # tetrahedron, 109.47 degrees
    assert smallest_angle(torch.ones(3, 2)) == 0.0
    assert smallest_angle(torch.tensor([[0.0, 0.0], [1.0, 0.0]])) == pytest.approx(math.pi / 2)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_smallest_angle_of_numbers_that_are_not_finite_is_not_a_number(bad):
    assert math.isnan(smallest_angle(torch.tensor([[1.0, 0.0], [0.0, 1.0], [bad, 1.0]])))


def test_smallest_angle_takes_parameters_and_half_precision_and_ignores_autocast():
    weight = torch.nn.Parameter(torch.randn(40, 6))
    expected = smallest_angle(weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert smallest_angle(weight) == expected
    assert smallest_angle(weight.bfloat16()) == smallest_angle(weight.bfloat16().float())


@pytest.mark.parametrize(
    ("weight", "settings", "message"),
    [
        (torch.randn(1, 3), {}, r"at least two neurons, got weight of shape \(1, 3\)"),
        (torch.randn(3), {}, r"weight must be a floating-point tensor \(N, D\)"),
        (torch.randn(3, 3), {"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
    ],
)
def test_smallest_angle_refuses_what_has_none(weight, settings, message):
    with pytest.raises(ValueError, match=message):
        smallest_angle(weight, **settings)


def test_tangential_part_is_orthogonal_and_the_rest_is_radial():
    gradient, weight = torch.randn(10, 4, dtype=torch.float64), 3 * torch.randn(10, 4, dtype=torch.float64)
    part = tangential(gradient, weight)
    assert (part * weight).sum(dim=1).abs().max() < 1e-14
    torch.testing.assert_close(
        torch.cosine_similarity(gradient - part, weight, dim=1).abs(), torch.ones(10).double()
    )
    torch.testing.assert_close(tangential(part, weight), part)


def test_tangential_part_at_a_zero_row_is_the_whole_gradient():
    gradient = torch.randn(2, 3)
    assert torch.equal(tangential(gradient, torch.zeros(2, 3)), gradient)


def test_tangential_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match=r"same shape, got \(2, 3\) and \(3, 3\)"):
        tangential(torch.randn(2, 3), torch.randn(3, 3))


@pytest.mark.parametrize("chunk_size", [1, 7, 100])
def test_the_norm_of_the_tangential_part_is_taken_in_chunks(chunk_size):
    gradient, weight = torch.randn(20, 3, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64)
    norm = tangential_norm(gradient, weight, chunk_size=chunk_size)
    torch.testing.assert_close(norm, tangential(gradient, weight).norm())


def test_the_force_between_random_unit_prototypes_is_a_hundred_times_more_radial_than_tangential():
    # 10,572 identities of CASIA, 512 dimensions, a batch of 256
    prototypes = normalize(torch.randn(10572, 512)).requires_grad_()
    labels = torch.randperm(10572)[:256]
    energy = classifier_energy(prototypes, labels)
    (gradient,) = torch.autograd.grad(energy, prototypes)
    assert energy.item() == pytest.approx(0.50099, abs=2e-5)
    assert gradient[labels].norm(dim=1).mean().item() == pytest.approx(2.0e-5, rel=0.1)

    # the same without normalisation in the graph: d(1/|u - v|^2)/du = -2 (u - v)/|u - v|^4
    units = prototypes.detach()
    batch = units[labels]
    squared = (2 - 2 * batch @ units.T).scatter_(1, labels[:, None], torch.inf)
    force = -2 * (squared.pow(-2).sum(dim=1, keepdim=True) * batch - squared.pow(-2) @ units) / (256 * 10571)
    assert force.norm(dim=1).mean().item() == pytest.approx(2.0e-3, rel=0.1)
    assert tangential(force, batch).norm(dim=1).mean().item() == pytest.approx(2.0e-5, rel=0.1)
