"""What is counted of a network, against what its layers are known to keep and to multiply."""

import pytest
import torch
from torch import nn

from sphereface_plus.networks.mobilefacenet import MobileFaceNet
from sphereface_plus.networks.sphereface import STAGE_UNITS, SphereFace
from sphereface_plus.plan.measured import network_costs, rates
from sphereface_plus.processes import Processes

ALONE = Processes(0, 1, torch.device("cpu"))


def test_a_convolution_keeps_its_input_and_a_relu_its_output():
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(320, 7)
    )
    costs = network_costs(network, (3, 8, 8), "fp32")
    assert costs.parameters == 3 * 5 * 9 + 320 * 7 + 7
    assert costs.kept_bytes == 4 * (3 * 64 + 5 * 64)  # the linear layer's input is the ReLU's output
    convolution, linear = 2 * 64 * 5 * 27, 2 * 320 * 7
    # Of the first layer nothing wants a gradient of the images.
    assert costs.flop == 2 * convolution + 3 * linear


def test_sphereface20_takes_three_and_a_half_billion_operations_an_image_forward():
    costs = network_costs(SphereFace(STAGE_UNITS["sphereface20"]), (3, 112, 96), "fp32")
    assert costs.flop / 3 == pytest.approx(3.5e9, rel=0.05)


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("groups", [1, 4, 12])
def test_a_grouped_convolution_multiplies_as_much_for_each_gradient_as_forward(layer, groups):
    network = nn.Sequential(nn.Conv2d(3, 12, 1), layer(12, 24, 3, stride=2, groups=groups), nn.Flatten())
    costs = network_costs(network, (3, 9, 9), "fp32")
    laid_on = 9 * 9 if layer is nn.ConvTranspose2d else 4 * 4
    assert costs.flop == 3 * 2 * laid_on * 9 * 12 * 24 // groups + 2 * 2 * 9 * 9 * 3 * 12


def test_mobilefacenet_takes_what_its_authors_say_and_features_are_normalised():
    costs = network_costs(MobileFaceNet(), (3, 112, 112), "fp32")
    assert costs.flop / 3 == pytest.approx(2 * 0.45e9, rel=0.05)  # insightface's "MobileFaceNet-0.45GF"


def test_bf16_keeps_half_of_what_fp32_keeps():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 3), nn.Conv2d(5, 5, 3), nn.Flatten())
    fp32, bf16 = (network_costs(network, (3, 16, 16), precision).kept_bytes for precision in ("fp32", "bf16"))
    assert bf16 == fp32 / 2


def test_rates_are_above_nothing_and_gradients_are_left_as_they_were():
    network = SphereFace(STAGE_UNITS["sphereface4"], embedding_size=8)
    costs = network_costs(network, (3, 112, 96), "fp32")
    found = rates(network, (3, 112, 96), "fp32", costs, 8, ALONE)
    assert min(found.network_flop, found.product_flop, found.memory_bytes) > 0
    assert found.traffic_bytes is None
    assert all(parameter.grad is None for parameter in network.parameters())
