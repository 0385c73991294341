"""Networks: crop -> embedding, image -> features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from sphereface_plus.config import ImageNetworkConfig, NetworkConfig
from sphereface_plus.config.gan import GanNetworkConfig
from sphereface_plus.networks import iresnet
from sphereface_plus.networks.cnn import PlainCNN, cnn6, cnn9, cnn15
from sphereface_plus.networks.depth import parts
from sphereface_plus.networks.gan_normalisation import start_orthonormal
from sphereface_plus.networks.iresnet import IResNet, iresnet18, iresnet34, iresnet50, iresnet100
from sphereface_plus.networks.mobilefacenet import MobileFaceNet
from sphereface_plus.networks.parameter_groups import parameter_groups
from sphereface_plus.networks.resnet import CifarResNet, resnet18, resnet32, resnet34
from sphereface_plus.networks.sngan import SNGANDiscriminator, SNGANGenerator
from sphereface_plus.networks.sngan_resnet import ResNetDiscriminator, ResNetGenerator
from sphereface_plus.networks.sphereface import (
    STAGE_UNITS,
    SphereFace,
    sphereface4,
    sphereface10,
    sphereface20,
    sphereface36,
    sphereface64,
    sphereface64_released,
)
from sphereface_plus.networks.spherenet import spherenet9
from sphereface_plus.networks.timm_models import NetworkError, TimmNetwork

if TYPE_CHECKING:
    from sphereface_plus.networks.imagenet_resnet import ImageNetResNet

__all__ = [
    "IResNet",
    "MobileFaceNet",
    "NetworkError",
    "PlainCNN",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SNGANDiscriminator",
    "SNGANGenerator",
    "SphereFace",
    "TimmNetwork",
    "build_discriminator",
    "build_gan",
    "build_generator",
    "build_image_network",
    "build_network",
    "cnn6",
    "cnn9",
    "cnn15",
    "iresnet18",
    "iresnet34",
    "iresnet50",
    "iresnet100",
    "parameter_groups",
    "parts",
    "resnet18",
    "resnet32",
    "resnet34",
    "sphereface4",
    "sphereface10",
    "sphereface20",
    "sphereface36",
    "sphereface64",
    "sphereface64_released",
    "spherenet9",
]


def build_network(config: NetworkConfig) -> nn.Module:
    """The network of a recipe, with new weights: (B, 3, H, W) -> (B, embedding_size).

    Raises NetworkError for a model that timm does not have.
    """
    shape = (config.embedding_size, config.input.height, config.input.width)
    if config.name.startswith("timm:"):
        return TimmNetwork(config.name.removeprefix("timm:"), *shape)
    if config.name == "mobilefacenet":
        return MobileFaceNet(*shape)
    if config.name in iresnet.STAGE_UNITS:
        return IResNet(iresnet.STAGE_UNITS[config.name], *shape)
    return SphereFace(STAGE_UNITS[config.name], *shape, variant=config.variant)


def build_image_network(
    config: ImageNetworkConfig, *, in_channels: int
) -> PlainCNN | CifarResNet | ImageNetResNet:
    """The network of an image classification's recipe, with new weights: images -> (B, embedding_size)."""
    given = config.model_dump(exclude={"name"}, exclude_none=True)
    if config.name in ("resnet18", "resnet34"):  # they have no settings: 224x224 colour photographs
        return {"resnet18": resnet18, "resnet34": resnet34}[config.name]()
    if config.name != "resnet32":  # whose last layer is as large as the map
        given["image_size"] = 28 if in_channels == 1 else 32
    networks = {"cnn6": cnn6, "cnn9": cnn9, "cnn15": cnn15, "resnet32": resnet32, "spherenet9": spherenet9}
    return networks[config.name](in_channels=in_channels, **given)


def build_gan(
    config: GanNetworkConfig, *, image_size: int, channels: int = 3
) -> tuple[SNGANGenerator | ResNetGenerator, SNGANDiscriminator | ResNetDiscriminator]:
    """Generator and discriminator of a recipe, with new weights. Raises ValueError for an image size that is
    not a multiple of 8."""
    generator = build_generator(config, image_size=image_size, channels=channels)
    return generator, build_discriminator(config, image_size=image_size, channels=channels)


def build_generator(
    config: GanNetworkConfig, *, image_size: int, channels: int = 3
) -> SNGANGenerator | ResNetGenerator:
    """As `build_gan`, of the generator alone."""
    given = {
        **{"width": config.width, "image_size": image_size, "channels": channels},
        **{"noise_size": config.noise_size, "normalisation": config.generator_normalisation},
    }
    if config.name == "sngan_resnet":
        return ResNetGenerator(**given)
    return SNGANGenerator(config.name, **given)


def build_discriminator(
    config: GanNetworkConfig, *, image_size: int, channels: int = 3
) -> SNGANDiscriminator | ResNetDiscriminator:
    """As `build_gan`, of the discriminator alone."""
    given = {
        **{"width": config.width, "image_size": image_size, "channels": channels},
        "normalisation": config.discriminator_normalisation,
    }
    if config.name == "sngan_resnet":
        discriminator = ResNetDiscriminator(**given)
    else:
        discriminator = SNGANDiscriminator(config.name, **given)
    if config.orthonormal_start:
        start_orthonormal(discriminator)
    return discriminator
