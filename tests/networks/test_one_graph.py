"""torch.compile takes a network in one graph: what breaks it would run outside of what is compiled.

SphereFace-4's and CNN-9's, in whole updates: tests/benchmarks/test_counts.py.
"""

import pytest
import torch

from sphereface_plus.config import ImageNetworkConfig, InputSpec, NetworkConfig
from sphereface_plus.networks import build_image_network, build_network


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet"])
def test_a_face_network_is_one_graph_forward_and_backward(name):
    network = build_network(NetworkConfig(name=name, embedding_size=8, input=InputSpec(height=32, width=32)))
    is_one_graph(network, torch.randn(2, 3, 32, 32))


@pytest.mark.parametrize("name", ["cnn6", "spherenet9"])
def test_a_network_of_images_is_one_graph_forward_and_backward(name):
    config = ImageNetworkConfig.model_validate({"name": name, "widths": (4, 4, 4)})
    is_one_graph(build_image_network(config, in_channels=3), torch.randn(2, 3, 32, 32))


def is_one_graph(network, images):
    """Dynamo raises where a full graph cannot be had; nothing is compiled after it."""
    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    compiled(images).sum().backward()
    assert all(it.grad is not None for it in network.parameters() if it.requires_grad)
