import pytest
import torch
from torch import nn

from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.networks import build_network, parts


@pytest.mark.parametrize("name", ["sphereface20", "iresnet18", "mobilefacenet"])
def test_every_parameter_is_in_one_of_five_parts_and_the_pixels_come_first(name):
    config = NetworkConfig(name=name, embedding_size=8, input=InputSpec())
    with torch.device("meta"):
        network = build_network(config)
    found = [[id(p) for p in part.parameters()] for part in parts(network)]
    assert len(found) == 5
    assert sorted(id_ for part in found for id_ in part) == sorted(id(p) for p in network.parameters())
    order = {id(p): number for number, p in enumerate(network.parameters())}
    assert [min(order[p] for p in part) for part in found] == sorted(
        min(order[p] for p in part) for part in found
    )
    assert order[found[0][0]] == 0


def test_other_networks_have_their_children_for_parts():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    assert [list(part) for part in parts(network)] == [[network[0]], [network[2]]]
