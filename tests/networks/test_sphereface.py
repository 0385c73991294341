import math

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from sphereface_plus import networks
from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.networks import build_network, sphereface4, sphereface10, sphereface20

# Of the released prototxts: 3x3 convolutions, trainable parameters, multiply-accumulates for one crop.
COUNTS = {
    "sphereface4": (4, 12_562_496, 164_290_560),
    "sphereface10": (10, 15_217_984, 758_833_152),
    "sphereface20": (20, 22_666_944, 1_749_737_472),
    "sphereface36": (36, 32_771_392, 3_335_184_384),
    "sphereface64": (64, 48_186_816, 6_109_716_480),
    "sphereface64_released": (62, 47_891_648, 5_911_535_616),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_network_has_the_published_convolutions_parameters_and_macs(name):
    convolutions, parameters, macs = COUNTS[name]
    with FakeTensorMode():  # shapes without numbers
        network = getattr(networks, name)()
        with FlopCounterMode(display=False) as counter:
            assert network(torch.empty(1, 3, 112, 96)).shape == (1, 512)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) == convolutions
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert counter.get_total_flops() == 2 * macs


def literal_forward(state, units, x):
    """The layer list of the prototxt, one function call a layer."""
    for s, count in enumerate(units):
        down = f"stages.{s}.down"
        x = F.conv2d(x, state[f"{down}.weight"], state[f"{down}.bias"], stride=2, padding=1)
        x = F.prelu(x, state[f"stages.{s}.prelu.weight"])
        for u in range(count):
            unit, y = f"stages.{s}.units.{u}", x
            for c in (1, 2):
                y = F.conv2d(y, state[f"{unit}.conv{c}.weight"], padding=1)
                y = F.prelu(y, state[f"{unit}.prelu{c}.weight"])
            x = x + y
    return F.linear(x.reshape(len(x), -1), state["embed.weight"], state["embed.bias"])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_network_computes_the_layer_list_of_the_prototxt_in_either_layout(layout):
    network = sphereface10(embedding_size=16, height=48, width=40)
    for name, parameter in network.named_parameters():
        if "prelu" in name or "bias" in name:  # fresh ones are all alike, and would hide a mixed-up name
            torch.nn.init.normal_(parameter)
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    x = torch.randn(2, 3, 48, 40)
    expected = literal_forward(state, (0, 1, 2, 0), x)
    actual = network.to(memory_format=layout)(x.to(memory_format=layout))
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_fresh_weights_follow_the_caffe_fillers():
    for name, parameter in sphereface20().named_parameters():
        values, kind = parameter.detach(), name.rpartition(".")[2]
        if "prelu" in name:
            assert (values == 0.25).all(), name
        elif kind == "bias":
            assert (values == 0).all(), name
        elif "units" in name:  # N(0, 0.01)
            assert values.mean().item() == pytest.approx(0, abs=3e-4), name
            assert values.std().item() == pytest.approx(0.01, rel=0.02), name
            assert values.abs().max() > 0.03, name
        else:  # U(-a, a), a = sqrt(3 / fan_in): variance 1 / fan_in
            fan_in = values[0].numel()
            assert values.abs().max() <= math.sqrt(3 / fan_in), name
            assert values.std().item() == pytest.approx(math.sqrt(1 / fan_in), rel=0.03), name


def test_residual_convolutions_have_no_bias_and_everything_else_does():
    for name, module in sphereface20().named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            assert (module.bias is None) == ("units" in name), name


def test_under_bf16_autocast_the_embedding_is_fp32_and_near_the_fp32_one():
    network, x = sphereface10(height=48, width=40), torch.randn(2, 3, 48, 40)
    with torch.no_grad():
        expected = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            actual = network(x)
    assert actual.dtype == torch.float32
    assert F.cosine_similarity(actual, expected).min() > 0.9999


def test_crops_of_another_size_are_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"images of shape \(B, 3, 112, 96\), got \(2, 3, 112, 112\)"):
        sphereface4()(torch.zeros(2, 3, 112, 112))


@pytest.mark.parametrize("name", COUNTS)
def test_build_network_gives_the_network_that_the_recipe_names(name):
    config = NetworkConfig(name=name, embedding_size=32, input=InputSpec(height=112, width=112))
    with FakeTensorMode():
        network = build_network(config)
        assert network.embedding_size == 32
        assert network(torch.empty(3, 3, 112, 112)).shape == (3, 32)
        assert {k: v.shape for k, v in network.state_dict().items()} == {
            k: v.shape for k, v in getattr(networks, name)(32, 112, 112).state_dict().items()
        }


def test_the_same_seed_gives_the_same_weights():
    weights = []
    for _ in range(2):
        torch.manual_seed(3)
        weights.append(sphereface4(8, 32, 32).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))


@pytest.mark.slow
def test_the_onnx_export_keeps_prelu_as_one_operator(tmp_path):
    network, path = sphereface4(8, 32, 32).eval(), tmp_path / "network.onnx"
    torch.onnx.export(network, (torch.randn(2, 3, 32, 32),), path, dynamo=True, verbose=False)
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("PRelu") == 4
    assert "Where" not in operators
