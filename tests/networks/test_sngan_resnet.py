"""SN-GAN's ResNet pair: literal parameter counts, shapes, and blocks against the paper's drawing."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from sphereface_plus.networks.sngan_resnet import Block, DoublingBlock, ImageBlock
from sphereface_plus.networks.sngan_resnet import ResNetDiscriminator as Discriminator
from sphereface_plus.networks.sngan_resnet import ResNetGenerator as Generator


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_pair_has_as_many_parameters_as_its_table():
    """And as the layers of sngan_projection, gen_models/resnet_32.py and dis_models/snresnet_32.py."""
    three, one, norm = 256 * 256 * 9 + 256, 256 * 256 + 256, 2 * 256
    blocks = 3 * (2 * three + one + 2 * norm)
    assert parameters(Generator()) == 128 * 4096 + 4096 + blocks + norm + 256 * 3 * 9 + 3 == 4_276_739
    three, one = 128 * 128 * 9 + 128, 128 * 128 + 128
    first = 3 * 128 * 9 + 128 + three + 3 * 128 + 128
    expected = first + (2 * three + one) + 2 * 2 * three + 128
    assert parameters(Discriminator()) == expected == 1_053_824
    assert parameters(Discriminator(normalisation="none")) == 1_053_824


@pytest.mark.parametrize("image_size", [8, 24, 32])
def test_any_multiple_of_8_is_made_and_scored(image_size):
    generator = Generator(width=1, noise_size=5, image_size=image_size, channels=1)
    discriminator = Discriminator(width=1, image_size=image_size, channels=1)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, 1, image_size, image_size)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)


@pytest.mark.parametrize("network", [Generator, Discriminator])
def test_other_sizes_are_refused(network):
    with pytest.raises(ValueError, match="a multiple of 8 pixels, got 28"):
        network(image_size=28)
    with pytest.raises(ValueError, match=r"expects images of shape \(B, 3, 16, 16\), got \(2, 1, 16, 16\)"):
        Discriminator(width=1, image_size=16)(torch.zeros(2, 1, 16, 16))


def test_spectral_normalisation_is_of_every_layer_of_the_discriminator_and_none_of_the_generator():
    layers = [it for it in Discriminator(width=1).modules() if isinstance(it, nn.Conv2d | nn.Linear)]
    assert len(layers) == 2 * 4 + 2 + 1  # of the blocks, two shortcuts, the score
    assert all(parametrize.is_parametrized(it, "weight") for it in layers)
    assert not any(parametrize.is_parametrized(it) for it in Generator(width=1).modules())


def test_blocks_are_those_of_the_paper_with_the_shortcut_after_doubling_and_before_halving():
    maps = torch.randn(2, 4, 6, 6)
    up = DoublingBlock(4, "batch").eval()
    inner = up.convolutions[0](F.relu(up.norms[0](maps)).repeat_interleave(2, 2).repeat_interleave(2, 3))
    inner = up.convolutions[1](F.relu(up.norms[1](inner)))
    expected = inner + up.shortcut(maps.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.allclose(up(maps), expected, atol=1e-6)

    def halved(it):
        return it.unflatten(3, (3, 2)).unflatten(2, (3, 2)).mean(dim=(3, 5))

    for block in (Block(4, "none", halves=True), Block(4, "none", halves=False)):
        inner = block.convolutions[1](F.relu(block.convolutions[0](F.relu(maps))))
        expected = inner + maps if block.shortcut is None else halved(inner + block.shortcut(maps))
        assert torch.allclose(block(maps), expected, atol=1e-6)
    first = ImageBlock(4, 5, "none")
    inner = first.convolutions[1](F.relu(first.convolutions[0](maps)))
    assert torch.allclose(first(maps), halved(inner + first.shortcut(maps)), atol=1e-6)


def test_weights_start_as_glorots_times_the_root_of_2_in_the_blocks_and_biases_at_zero():
    generator, discriminator = Generator(width=8), Discriminator(width=16, normalisation="none")
    for network in (generator, discriminator):
        for name, layer in network.named_modules():
            if not isinstance(layer, nn.Conv2d | nn.Linear):
                continue
            inputs, outputs = nn.init._calculate_fan_in_and_fan_out(layer.weight)
            gain = 2 if ".convolutions." in name else 1
            limit = (gain * 6 / (inputs + outputs)) ** 0.5
            largest = float(layer.weight.detach().abs().max())
            assert largest <= limit * 1.000001, name
            assert largest > (0.9 if layer.weight.numel() > 90 else 0.5) * limit, name
            assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize("normalisation", ["none", "batch", "layer", "weight", "spectral"])
def test_every_normalisation_of_both_networks_learns_in_all_its_parameters(normalisation):
    generator = Generator(width=1, image_size=16, normalisation=normalisation)
    discriminator = Discriminator(width=1, image_size=16, normalisation=normalisation)
    discriminator(generator(torch.randn(4, 128))).square().sum().backward()
    for network in (generator, discriminator):
        assert all(parameter.grad is not None for parameter in network.parameters())
