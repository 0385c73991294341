import math

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from sphereface_plus.networks import cnn6, cnn9, cnn15

CONSTRUCTORS = {2: cnn6, 3: cnn9, 5: cnn15}  # by the convolutions of a stage, Table 11


def randomised(network):
    """With every parameter and running statistic its own, so that no mixed-up name can hide."""
    for tensor in network.state_dict().values():
        if tensor.dtype.is_floating_point and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    return network


def literal_forward(state, units, x, eps=1e-5):
    """The column of Table 11, one function call a layer, in evaluation mode."""
    for stage in range(3):
        for unit in range(units):
            name = f"stages.{stage}.{unit}"
            x = F.conv2d(x, state[f"{name}.conv.weight"], padding=1)
            mean, variance = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
            x = (x - mean.view(-1, 1, 1)) / (variance.view(-1, 1, 1) + eps).sqrt()
            x = x * state[f"{name}.norm.weight"].view(-1, 1, 1) + state[f"{name}.norm.bias"].view(-1, 1, 1)
            x = x.clamp_min(0)
        x = F.max_pool2d(x, 2, 2)
    return x.flatten(1) @ state["embed.weight"].flatten(1).T


@pytest.mark.parametrize("units", CONSTRUCTORS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_network_computes_its_column_of_table_11_in_either_layout(units, layout):
    network = randomised(CONSTRUCTORS[units](widths=(8, 12, 16), embedding_size=5)).eval()
    x = torch.randn(2, 3, 32, 32)
    expected = literal_forward(network.state_dict(), units, x)
    actual = network.to(memory_format=layout)(x.to(memory_format=layout))
    assert actual.shape == (2, 5)
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_cnn_9_has_the_parameters_of_the_released_code():
    sizes = {name: parameter.numel() for name, parameter in cnn9().named_parameters()}
    assert sum(size for name, size in sizes.items() if "conv" in name) == 1_918_656
    assert sizes["embed.weight"] == 1_048_576
    assert sum(size for name, size in sizes.items() if "norm" in name) == 2_688
    classifier = 100 * cnn9().embedding_size  # CIFAR-100; it lives in the loss
    assert sum(sizes.values()) + classifier == 2_995_520


@pytest.mark.parametrize("units", CONSTRUCTORS)
@pytest.mark.parametrize("first", [16, 32, 64, 128, 256])  # Table 2
def test_any_width_of_table_2_gives_the_parameters_that_its_layers_have(units, first):
    widths = (first, 2 * first, 4 * first)
    with FakeTensorMode():  # shapes without numbers
        network = CONSTRUCTORS[units](widths=widths)
        assert network(torch.empty(2, 3, 32, 32)).shape == (2, network.embedding_size) == (2, 256)
    expected, before = 0, 3
    for width in widths:
        expected += 9 * width * (before + (units - 1) * width) + 2 * units * width
        before = width
    expected += 4 * 4 * before * 256
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_the_network_of_figure_4_maps_digits_to_two_dimensions():
    network = cnn6(widths=(4, 8, 12), embedding_size=2, in_channels=1, image_size=28)
    assert network.embedding_size == 2
    assert network.embed.weight.shape == (2, 12, 3, 3)  # 28 -> 14 -> 7 -> 3
    assert network(torch.randn(5, 1, 28, 28)).shape == (5, 2)


def test_fresh_weights_are_hes_and_fresh_norms_the_identity():
    for name, parameter in cnn9().named_parameters():
        if "norm" in name:
            assert (parameter == (1 if name.endswith("weight") else 0)).all(), name
        else:
            expected = math.sqrt(2 / parameter[0].numel())
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name


def test_nothing_follows_the_fully_connected_layer():
    network, x = cnn6(widths=(4, 4, 4), embedding_size=3).eval(), torch.randn(8, 3, 32, 32)
    features = network(x)
    assert (features < 0).any()
    with torch.no_grad():
        network.embed.weight.mul_(-2)
    torch.testing.assert_close(network(x), -2 * features)


def test_the_released_codes_batch_normalisation_is_a_preset():
    norms = [m for m in cnn9(batch_norm="mhe_code").modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 9
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 1e-3)}


def test_images_of_another_size_are_refused_with_both_sizes():
    message = r"expects images of shape \(B, 3, 32, 32\), got \(2, 1, 28, 28\)"
    with pytest.raises(ValueError, match=message):
        cnn6()(torch.zeros(2, 1, 28, 28))


def test_the_same_seed_gives_the_same_weights():
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        weights.append(cnn6(widths=(4, 4, 4)).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))
