"""Networks: crop -> embedding, image -> features."""

from sphereface_plus.config import NetworkConfig
from sphereface_plus.networks.cnn import PlainCNN, cnn6, cnn9, cnn15
from sphereface_plus.networks.parameter_groups import parameter_groups
from sphereface_plus.networks.resnet import resnet18, resnet32, resnet34
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

__all__ = [
    "PlainCNN",
    "SphereFace",
    "build_network",
    "cnn6",
    "cnn9",
    "cnn15",
    "parameter_groups",
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


def build_network(config: NetworkConfig) -> SphereFace:
    """The network of a recipe, with new weights: (B, 3, H, W) -> (B, embedding_size)."""
    return SphereFace(
        STAGE_UNITS[config.name], config.embedding_size, config.input.height, config.input.width
    )
