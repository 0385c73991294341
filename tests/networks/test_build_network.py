import pytest
import torch

from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.config.face import OTHER_NETWORKS, SPHEREFACES
from sphereface_plus.networks import build_network


@pytest.mark.parametrize("name", [*SPHEREFACES, *OTHER_NETWORKS, "timm:resnet18"])
@pytest.mark.parametrize("width", [112, 96])
def test_every_network_of_a_recipe_takes_crops_of_both_sizes(name, width):
    if name.startswith("timm"):
        pytest.importorskip("timm")
    config = NetworkConfig(name=name, embedding_size=24, input=InputSpec(width=width))
    with torch.device("meta"):
        network = build_network(config).eval()
        embeddings = network(torch.empty(2, 3, 112, width))
    assert embeddings.shape == (2, 24)
    assert network.embedding_size == 24
