"""Mini-batches of neurons: their mean over draws is the energy of all."""

from __future__ import annotations

import itertools

import pytest
import torch

from sphereface_plus.mhe import hyperspherical_energy, minibatch, minibatch_energy

SETTINGS = [
    {"power": power, "distance": distance, "half_space": half_space}
    for power, distance, half_space in itertools.product(
        [0.0, 1.0, 2.0], ["euclidean", "angular"], [False, True]
    )
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(str(v) for v in s.values()))
def test_the_mean_over_all_draws_is_the_energy_and_so_is_its_gradient(settings, monkeypatch):
    weight = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    estimates = []
    for rows in itertools.combinations(range(6), 3):  # every draw there is
        monkeypatch.setattr(minibatch, "_draw", lambda total, size, key, rows=rows: list(rows))
        estimates.append(minibatch_energy(weight, 3, "", **settings))
    mean, exact = torch.stack(estimates).mean(), hyperspherical_energy(weight, **settings)
    torch.testing.assert_close(mean, exact)
    for ours, expected in zip(
        torch.autograd.grad(mean, weight), torch.autograd.grad(exact, weight), strict=True
    ):
        torch.testing.assert_close(ours, expected)


def test_every_neuron_and_every_pair_is_drawn_equally_often():
    pairs = torch.zeros(5, 5)
    for step in range(4000):
        rows = minibatch._draw(5, 3, f"0 {step}")
        assert len(set(rows)) == 3
        for i, j in itertools.permutations(rows, 2):
            pairs[i, j] += 1
    between = pairs[~torch.eye(5, dtype=torch.bool)] / 4000
    assert (between - 0.3).abs().max() < 0.03  # 3/5 * 2/4; four standard deviations


def test_the_draw_is_a_function_of_the_key():
    weight = torch.randn(40, 8)
    first, again, other = (minibatch_energy(weight, 10, key).item() for key in ("0 7", "0 7", "0 8"))
    assert first == again != other


def test_a_mini_batch_of_all_neurons_is_the_energy():
    weight = torch.randn(8, 4)
    for size in (8, 20):
        assert torch.equal(
            minibatch_energy(weight, size, "", half_space=True),
            hyperspherical_energy(weight, half_space=True),
        )
