import pytest
import torch

from sphereface_plus.networks import cnn9, spherenet9
from sphereface_plus.networks.sphereconv import SphereConv2d


def test_spherenet_9_is_cnn_9_with_a_sphereconv_for_each_convolution():
    shapes = {name: tensor.shape for name, tensor in spherenet9().state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in cnn9().state_dict().items()}
    layers = [m for m in spherenet9(operator="linear").modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(layers) == 10
    assert all(isinstance(layer, SphereConv2d) and layer.operator == "linear" for layer in layers)


@pytest.mark.parametrize("operator", ["cosine", "linear", "sigmoid"])
def test_features_are_angles_and_a_step_changes_every_layer(operator):
    network = spherenet9(widths=(4, 6, 8), embedding_size=5, operator=operator)
    features = network(torch.randn(4, 3, 32, 32))
    assert features.shape == (4, 5)
    assert features.abs().max() <= 1
    features.square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in network.parameters())
