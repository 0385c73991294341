"""A network's parts in order of depth: what freezing, and learning rates by depth, count."""

from __future__ import annotations

from torch import nn

from sphereface_plus.networks.sphereface import SphereFace


def parts(network: nn.Module) -> list[nn.ModuleList]:
    """All modules with weights, in parts, the one that sees the pixels first.

    SphereFace: its four stages, and its last layer. Any other network: its children.
    """
    if isinstance(network, SphereFace):
        return [nn.ModuleList([stage]) for stage in (*network.stages, network.embed)]
    children = [child for child in network.children() if any(True for _ in child.parameters())]
    return [nn.ModuleList([child]) for child in children]
