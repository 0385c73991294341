"""Networks: crop -> embedding."""

from sphereface_plus.config import NetworkConfig
from sphereface_plus.networks.parameter_groups import parameter_groups
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

__all__ = [
    "SphereFace",
    "build_network",
    "parameter_groups",
    "sphereface4",
    "sphereface10",
    "sphereface20",
    "sphereface36",
    "sphereface64",
    "sphereface64_released",
]


def build_network(config: NetworkConfig) -> SphereFace:
    """The network of a recipe, with new weights: (B, 3, H, W) -> (B, embedding_size)."""
    return SphereFace(
        STAGE_UNITS[config.name], config.embedding_size, config.input.height, config.input.width
    )
