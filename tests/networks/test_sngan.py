"""SN-GAN's standard CNN pair: shapes, literal parameter counts, and what each pair has where."""

import pytest
import torch
from torch import nn

from sphereface_plus.networks.sngan import SNGANDiscriminator, SNGANGenerator

PAIRS = ("sngan_table3", "chainer_gan_lib")
NORMALISATIONS = ("none", "batch", "layer", "weight", "spectral")


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_released_pair_has_as_many_parameters_as_the_released_code():
    """wy1iu/MHE, MHE-GAN: counted from its net.py."""
    assert parameters(SNGANGenerator("chainer_gan_lib")) == 3_820_547
    assert parameters(SNGANDiscriminator("chainer_gan_lib", normalisation="none")) == 5_860_864
    assert parameters(SNGANDiscriminator("chainer_gan_lib", normalisation="spectral")) == 5_860_864


def test_the_printed_pair_has_as_many_parameters_as_its_table():
    deconvolutions = sum(before * after * 16 + after for before, after in ((512, 256), (256, 128), (128, 64)))
    batch_norms = 2 * (256 + 128 + 64)
    dense, image = 128 * 8192 + 8192, 64 * 3 * 9 + 3
    assert parameters(SNGANGenerator()) == dense + deconvolutions + batch_norms + image == 3_812_355
    rows = [(3, 64, 9), (64, 64, 16), (64, 128, 9), (128, 128, 16), (128, 256, 9), (256, 256, 16)]
    convolutions = sum(before * after * area + after for before, after, area in [*rows, (256, 512, 9)])
    assert parameters(SNGANDiscriminator()) == convolutions + 512 * 4 * 4 + 1 == 2_935_873


@pytest.mark.parametrize("image_size", [8, 24, 48])
@pytest.mark.parametrize("pair", PAIRS)
def test_any_multiple_of_8_is_made_and_scored(pair, image_size):
    generator = SNGANGenerator(pair, width=2, noise_size=5, image_size=image_size, channels=1)
    discriminator = SNGANDiscriminator(pair, width=2, image_size=image_size, channels=1)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, 1, image_size, image_size)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)


@pytest.mark.parametrize("network", [SNGANGenerator, SNGANDiscriminator])
def test_other_sizes_are_refused(network):
    with pytest.raises(ValueError, match="a multiple of 8 pixels, got 28"):
        network(image_size=28)
    with pytest.raises(ValueError, match="a multiple of 8 pixels, got 0"):
        network(image_size=0)


def test_images_of_another_size_or_colour_are_refused():
    discriminator = SNGANDiscriminator(width=2, image_size=16)
    for shape in ((2, 3, 32, 32), (2, 1, 16, 16)):
        with pytest.raises(ValueError, match=r"expects images of shape \(B, 3, 16, 16\), got \(2, "):
            discriminator(torch.zeros(shape))


def test_weights_start_small_and_cut_off_and_biases_at_zero():
    for network in (SNGANGenerator(width=16), SNGANDiscriminator(width=16, normalisation="none")):
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                assert layer.weight.abs().max() <= 0.04
                assert layer.weight.numel() < 1000 or 0.0165 < float(layer.weight.detach().std()) < 0.0186
                assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_every_normalisation_of_both_networks_learns_in_all_its_parameters(normalisation):
    generator = SNGANGenerator("chainer_gan_lib", width=2, image_size=16, normalisation=normalisation)
    discriminator = SNGANDiscriminator(width=2, image_size=16, normalisation=normalisation)
    discriminator(generator(torch.randn(4, 128))).square().sum().backward()
    for network in (generator, discriminator):
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_maps_are_normalised_after_all_convolutions_but_the_first_and_without_a_factor():
    discriminator = SNGANDiscriminator(width=2, image_size=16, normalisation="batch")
    assert isinstance(discriminator.norms[0], nn.Identity)
    assert [norm[0].affine for norm in discriminator.norms[1:]] == [False] * 6
    assert [norm[1].bias.shape for norm in discriminator.norms[1:]] == [
        (2,), (4,), (4,), (8,), (8,), (16,)
    ]  # fmt: skip
    layered = SNGANDiscriminator(width=2, image_size=16, normalisation="layer")
    maps = layered.norms[3][0](3 + 5 * torch.randn(2, 4, 6, 6))
    assert torch.allclose(maps.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(maps.var(dim=(1, 2, 3), correction=0), torch.ones(2), atol=1e-4)


def test_the_printed_generator_has_nothing_between_its_dense_layer_and_the_first_deconvolution():
    printed, released = (SNGANGenerator(pair, width=2, image_size=8) for pair in PAIRS)
    assert isinstance(printed.dense_norm, nn.Identity)
    assert isinstance(released.dense_norm, nn.BatchNorm2d)
    seen = []
    for generator in (printed, released):
        generator.deconvolutions[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
        generator(torch.randn(8, 128))
    assert (seen[0] < 0).any()
    assert (seen[1] >= 0).all()
