"""A network's parts in order of depth: what freezing, and learning rates by depth, count."""

from __future__ import annotations

from torch import nn

from sphereface_plus.networks.iresnet import IResNet
from sphereface_plus.networks.mobilefacenet import MobileFaceNet
from sphereface_plus.networks.sphereface import SphereFace
from sphereface_plus.networks.timm_models import TimmNetwork


def parts(network: nn.Module) -> list[nn.ModuleList]:
    """All modules with weights, in parts, the one that sees the pixels first.

    SphereFace, IResNet and MobileFaceNet: four stages, each with what halves the map before it, and the rest.
    Models of timm, and other networks: their children.
    """
    if isinstance(network, SphereFace):
        return [nn.ModuleList([stage]) for stage in (*network.stages, network.embed)]
    if isinstance(network, IResNet):
        entry, rest = [network.conv1, network.bn1, network.prelu], [network.bn2, network.fc, network.features]
        stages = [[network.layer2], [network.layer3], [network.layer4]]
        return [nn.ModuleList(part) for part in ([*entry, network.layer1], *stages, rest)]
    if isinstance(network, MobileFaceNet):
        stages = [list(network.layers[first : first + 2]) for first in (0, 2, 4, 6)]
        return [nn.ModuleList(part) for part in (*stages, [network.conv_sep, network.features])]
    children = (network.model if isinstance(network, TimmNetwork) else network).children()
    return [nn.ModuleList([child]) for child in children if any(True for _ in child.parameters())]
