import pytest
import torch
import torch.nn.functional as F
import torchvision

from sphereface_plus.networks import resnet18, resnet32, resnet34


def num_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def randomised(network):
    """With every norm's parameters and statistics its own, so that no mixed-up name can hide."""
    for tensor in network.state_dict().values():
        if tensor.dtype.is_floating_point and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    return network.eval()


def conv_norm(x, state, conv, norm, stride=1):
    kernel = state[f"{conv}.weight"]
    x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
    numbers = (state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *numbers)


def literal_resnet32(state, x):
    x = conv_norm(x, state, "conv", "norm").relu()
    for stage in range(3):
        for unit in range(5):
            name, stride = f"stages.{stage}.{unit}", 2 if stage > 0 and unit == 0 else 1
            y = conv_norm(x, state, f"{name}.conv1", f"{name}.norm1", stride).relu()
            y = conv_norm(y, state, f"{name}.conv2", f"{name}.norm2")
            shortcut = torch.zeros_like(y)
            shortcut[:, : x.shape[1]] = x[:, :, ::stride, ::stride]
            x = (y + shortcut).relu()
    return x.mean((2, 3))


def test_resnet_32_computes_its_column_of_table_12():
    network, x = randomised(resnet32(widths=(4, 8, 16))), torch.randn(2, 3, 32, 32)
    expected = literal_resnet32(network.state_dict(), x)
    assert network.embedding_size == 16
    torch.testing.assert_close(network(x), expected)


def test_resnet_32_with_hes_widths_has_the_parameters_that_are_published_for_it():
    he = resnet32(widths=(16, 32, 64))
    classifier = 10 * 64 + 10  # with a bias, as He has it
    assert num_parameters(he) + classifier == 464_154


def test_resnet_32_of_the_paper_is_four_times_as_wide():
    network = resnet32()
    assert network.embedding_size == 256
    convolutions = 9 * (3 * 64 + 10 * 64 * 64 + 64 * 128 + 9 * 128 * 128 + 128 * 256 + 9 * 256 * 256)
    assert num_parameters(network) == convolutions + 2 * (11 * 64 + 10 * 128 + 10 * 256)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) == 31


def test_resnet_32_takes_the_batch_normalisation_of_a_preset():
    norms = [m for m in resnet32(batch_norm="mhe_code").modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 31
    assert {norm.eps for norm in norms} == {1e-3}


def literal_imagenet_resnet(state, units, x):
    """A column of Table 12, with torchvision's names."""
    x = conv_norm(x, state, "conv1", "bn1", 2).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(units, start=1):
        for unit in range(count):
            name, stride = f"layer{stage}.{unit}", 2 if stage > 1 and unit == 0 else 1
            y = conv_norm(x, state, f"{name}.conv1", f"{name}.bn1", stride).relu()
            y = conv_norm(y, state, f"{name}.conv2", f"{name}.bn2")
            if stride == 2:
                x = conv_norm(x, state, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = (x + y).relu()
    return x.mean((2, 3))


IMAGENET = {
    18: (resnet18, torchvision.models.resnet18, (2, 2, 2, 2), 11_689_512),
    34: (resnet34, torchvision.models.resnet34, (3, 4, 6, 3), 21_797_672),
}


@pytest.mark.parametrize("depth", IMAGENET)
def test_torchvisions_resnet_computes_its_column_of_table_12(depth):
    constructor, _, units, published = IMAGENET[depth]
    network, x = randomised(constructor()), torch.randn(2, 3, 64, 64)
    expected = literal_imagenet_resnet(network.state_dict(), units, x)
    assert network.embedding_size == 512
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-3 * expected.abs().max().item())
    assert num_parameters(network) + 512 * 1000 + 1000 == published
    widths = [m.out_channels for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert set(widths) == {64, 128, 256, 512}


@pytest.mark.parametrize("depth", IMAGENET)
def test_features_under_torchvisions_classifier_give_torchvisions_logits(depth):
    constructor, original, _, _ = IMAGENET[depth]
    whole, network, x = original().eval(), constructor().eval(), torch.randn(2, 3, 64, 64)
    missing, unexpected = network.load_state_dict(whole.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ["fc.weight", "fc.bias"])
    logits = F.linear(network(x), whole.fc.weight, whole.fc.bias)
    torch.testing.assert_close(logits, whole(x))
