"""Normalised weights: what they are, how often the power iteration advances, and the weights before it."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import _SpectralNorm

from sphereface_plus.mhe import EnergyTerm, MHERegularizer, hyperspherical_energy
from sphereface_plus.networks.gan_normalisation import (
    advance,
    normalised_layer,
    raw_layers,
    raw_weight,
    weights_once,
)
from sphereface_plus.networks.sngan import SNGANDiscriminator, SNGANGenerator


@pytest.fixture
def iterations(monkeypatch):
    """Power iterations that were made since, as a list of ones."""
    made, method = [], _SpectralNorm._power_method

    def counted(norm, weight, number):
        made.append(number)
        return method(norm, weight, number)

    monkeypatch.setattr(_SpectralNorm, "_power_method", counted)
    return made


@pytest.mark.parametrize(
    ("layer", "axis"), [(nn.Linear(5, 4), 0), (nn.Conv2d(2, 4, 3), 0), (nn.ConvTranspose2d(2, 4, 3), 1)]
)
def test_weight_normalisation_gives_each_neuron_length_1(layer, axis):
    before = layer.weight.detach().clone()
    weight = normalised_layer(layer, "weight").weight
    lengths = weight.movedim(axis, 0).flatten(1).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(4))
    ratio = (before / weight).movedim(axis, 0).flatten(1)
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(7, 5), nn.Conv2d(3, 6, 3), nn.ConvTranspose2d(3, 6, 3)],
    ids=lambda it: type(it).__name__,
)
def test_spectral_normalisation_makes_the_largest_singular_value_1(layer):
    normalised_layer(layer, "spectral")
    for _ in range(200):
        advance(layer)
    weight = layer.weight.detach()
    matrix = (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)
    assert float(torch.linalg.matrix_norm(matrix, 2)) == pytest.approx(1, rel=1e-4)


def test_one_advance_is_one_power_iteration_of_torchs_own():
    ours = normalised_layer(nn.Linear(6, 4), "spectral")
    theirs = copy.deepcopy(ours).train()
    for _ in range(3):
        ours.train()
        advance(ours)
        assert torch.equal(ours.weight, theirs.weight)  # a read in training mode: it advances first


def test_between_two_advances_nothing_moves(iterations):
    discriminator = SNGANDiscriminator(width=2, image_size=8).train()
    iterations.clear()
    advance(discriminator)
    assert iterations == [1] * 8
    state = copy.deepcopy(discriminator.state_dict())
    for _ in range(3):
        discriminator(torch.zeros(2, 3, 8, 8)).sum().backward()
        with weights_once(discriminator):
            discriminator(torch.zeros(2, 3, 8, 8)).sum().backward()
    assert iterations == [1] * 8
    assert all(torch.equal(value, state[name]) for name, value in discriminator.state_dict().items())


def test_weights_once_gives_the_same_scores_and_gradients():
    discriminator = SNGANDiscriminator(width=2, image_size=8).train()
    advance(discriminator)
    images = torch.randn(4, 3, 8, 8)

    def gradients():
        loss = discriminator(images).sum() - 2 * discriminator(images.neg()).sum()
        return torch.autograd.grad(loss, list(discriminator.parameters()))

    plain = gradients()
    with weights_once(discriminator):
        cached = gradients()
    for one, other in zip(plain, cached, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_weights_stay_in_float32_where_the_network_runs_below_it():
    discriminator = SNGANDiscriminator(width=2, image_size=8).train()
    advance(discriminator)
    exact = discriminator.convolutions[3].weight.detach()
    with weights_once(discriminator), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(discriminator.convolutions[3].weight, exact)
        assert discriminator(torch.zeros(2, 3, 8, 8)).dtype == torch.bfloat16


@pytest.mark.parametrize("normalisation", ["none", "weight", "spectral"])
def test_raw_layers_are_the_weights_that_are_learnt(normalisation, iterations):
    discriminator = SNGANDiscriminator(width=4, image_size=8, normalisation=normalisation).train()
    layers = raw_layers(discriminator)
    assert list(layers) == [*(f"convolutions_{number}" for number in range(7)), "score"]
    learnt = set(map(id, discriminator.parameters()))
    assert all(id(layer.weight) in learnt for layer in layers.values())
    iterations.clear()
    regularizer = MHERegularizer(layers, hidden=EnergyTerm(half_space=True), output=None, output_layer=False)
    assert regularizer.skipped == {"score": "one neuron"}
    regularizer.penalty().backward()
    assert iterations == []
    expected = [
        hyperspherical_energy(raw_weight(layer).flatten(1), half_space=True)
        for layer in discriminator.convolutions
    ]
    assert float(regularizer.penalty().detach()) == pytest.approx(float(sum(expected).detach()), rel=1e-5)
    assert all(raw_weight(layer).grad is not None for layer in discriminator.convolutions)


def test_raw_layers_follow_a_network_that_is_loaded_and_moved_in_memory():
    network, other = SNGANGenerator(width=2, image_size=8), SNGANGenerator(width=2, image_size=8)
    layers = raw_layers(network)
    network.to(memory_format=torch.channels_last)
    network.load_state_dict(other.state_dict())
    assert torch.equal(layers["deconvolutions_1"].weight, other.deconvolutions[1].weight)
    assert layers["image"].weight is network.image.weight
