"""The placebo of MHE: pushes of its size, prototype by prototype, whose directions mean nothing."""

from __future__ import annotations

from typing import Any

import torch

from sphereface_plus.mhe import classifier_energy, random_push

LABELS = torch.tensor([3, 3, 40, 7])


def push_of(prototypes, *key, **settings):
    prototypes = prototypes.detach().requires_grad_()
    value = random_push(prototypes, LABELS, *key, **settings)
    return value.detach(), torch.autograd.grad(value, prototypes)[0]


def test_each_push_is_tangential_and_as_long_as_eq_8s():
    every: list[dict[str, Any]] = [{}, {"power": 0.0}, {"distance": "angular"}]
    for settings in every:
        prototypes = 3 * torch.randn(50, 6, dtype=torch.float64)
        value, push = push_of(prototypes, 0, 5, **settings)
        apart = prototypes.clone().requires_grad_()
        energy = classifier_energy(apart, LABELS, **settings)
        (gradient,) = torch.autograd.grad(energy, apart)
        torch.testing.assert_close(value, energy.detach())
        torch.testing.assert_close(push.norm(dim=1), gradient.norm(dim=1), rtol=1e-6, atol=0)
        assert (push * prototypes).sum(dim=1).abs().max() < 1e-12 * push.norm(dim=1).max() * 10


def test_it_is_a_function_of_the_key_whatever_else_was_drawn():
    prototypes = torch.randn(50, 6)
    _, first = push_of(prototypes, 0, 5)
    torch.randn(1000)
    _, again = push_of(prototypes, 0, 5)
    assert torch.equal(first, again)
    for key in ((0, 6), (1, 5)):
        cosine = torch.nn.functional.cosine_similarity(
            first.flatten(), push_of(prototypes, *key)[1].flatten(), dim=0
        )
        assert abs(cosine) < 0.5


def test_its_directions_have_nothing_to_do_with_the_energys():
    prototypes = torch.randn(2000, 16)
    labels = torch.arange(0, 2000, 10)
    apart = prototypes.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(classifier_energy(apart, labels), apart)
    (push,) = torch.autograd.grad(random_push(apart, labels, 0, 0), apart)
    of_rows = torch.nn.functional.cosine_similarity(gradient, push, dim=1)
    # of 2,000 random directions in 15 dimensions: the mean within five of its standard deviations
    assert abs(of_rows.mean()) < 5 / (15 * 2000) ** 0.5
    assert 0.5 < of_rows.square().mean() * 15 < 2


def test_autocast_and_a_caller_without_gradients_change_nothing():
    prototypes = torch.randn(50, 6)
    value, push = push_of(prototypes, 0, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = push_of(prototypes, 0, 5)
    assert torch.equal(inside[1], push)
    with torch.no_grad():
        assert torch.equal(random_push(prototypes, LABELS, 0, 5), value)
