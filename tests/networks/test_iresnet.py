import pytest
import torch

from sphereface_plus.networks import IResNet, iresnet18, iresnet34, iresnet50, iresnet100

UNITS = {
    iresnet18: (2, 2, 2, 2),
    iresnet34: (3, 4, 6, 3),
    iresnet50: (3, 4, 14, 3),
    iresnet100: (3, 13, 30, 3),
}


def names_of(units):
    """The names in insightface's backbone.pth, written out."""
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    names = ["conv1.weight", "prelu.weight", "fc.weight", "fc.bias"]
    names += [f"{layer}.{part}" for layer in ("bn1", "bn2", "features") for part in norm]
    for stage, count in enumerate(units, start=1):
        for unit in range(count):
            place = f"layer{stage}.{unit}"
            names += [f"{place}.conv1.weight", f"{place}.conv2.weight", f"{place}.prelu.weight"]
            names += [f"{place}.{layer}.{part}" for layer in ("bn1", "bn2", "bn3") for part in norm]
        names.append(f"layer{stage}.0.downsample.0.weight")
        names += [f"layer{stage}.0.downsample.1.{part}" for part in norm]
    return names


@pytest.mark.parametrize("build", UNITS, ids=lambda build: build.__name__)
def test_the_state_dict_has_insightfaces_names(build):
    with torch.device("meta"):
        assert sorted(build().state_dict()) == sorted(names_of(UNITS[build]))


@pytest.mark.parametrize(
    ("build", "at_112x112", "at_112x96"),
    [
        (iresnet18, 24_025_600, 22_190_592),
        (iresnet34, 34_139_328, 32_304_320),
        (iresnet50, 43_590_848, 41_755_840),
        (iresnet100, 65_156_160, 63_321_152),
    ],
)
def test_parameter_counts_are_those_of_the_structure(build, at_112x112, at_112x96):
    def count(positions):
        """By hand: stem, units (the first of a stage has a shortcut), last norm, linear layer, its norm."""
        total, before = 3 * 64 * 9 + 2 * 64 + 64, 64
        for width, units in zip((64, 128, 256, 512), UNITS[build], strict=True):
            for unit in range(units):
                channels = before if unit == 0 else width
                total += 2 * channels + 9 * channels * width + 2 * width + width + 9 * width**2 + 2 * width
                total += channels * width + 2 * width if unit == 0 else 0
            before = width
        return total + 2 * 512 + (512 * positions * 512 + 512) + 2 * 512

    with torch.device("meta"):
        sizes = [sum(p.numel() for p in build(512, 112, width).parameters()) for width in (112, 96)]
    assert sizes == [count(49), count(42)] == [at_112x112, at_112x96]


def test_embeddings_have_unit_variance_in_training_so_that_their_length_is_about_the_root_of_their_size():
    embeddings = IResNet((1, 1, 1, 1), 64, 32, 32)(torch.randn(16, 3, 32, 32)).detach()
    torch.testing.assert_close(embeddings.std(0, correction=0), torch.ones(64), rtol=1e-3, atol=1e-3)
    assert embeddings.norm(dim=1).mean().item() == pytest.approx(8, rel=0.1)


def test_evaluation_takes_each_crop_alone_and_training_the_batch():
    network, crops = IResNet((1, 1, 1, 1), 8, 32, 32), torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        network(crops)  # running statistics
        network.eval()
        torch.testing.assert_close(network(crops)[:2], network(crops[:2]), rtol=1e-4, atol=1e-5)
        network.train()
        assert not torch.allclose(network(crops)[:2], network(crops[:2]), rtol=1e-2)


def test_a_stage_is_its_formula():
    """The first unit, recomputed with torch's functions from the named weights."""
    network = IResNet((1, 1, 1, 1), 8, 32, 32).eval()
    x, w = torch.randn(2, 64, 32, 32), {name: p.detach() for name, p in network.layer1[0].named_parameters()}
    f = torch.nn.functional

    def norm(y, name):  # running mean 0 and variance 1
        return y / (1 + 1e-5) ** 0.5 * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]

    y = f.prelu(norm(f.conv2d(norm(x, "bn1"), w["conv1.weight"], padding=1), "bn2"), w["prelu.weight"])
    y = norm(f.conv2d(y, w["conv2.weight"], stride=2, padding=1), "bn3")
    y = y + norm(f.conv2d(x, w["downsample.0.weight"], stride=2), "downsample.1")
    torch.testing.assert_close(network.layer1(x), y, rtol=1e-4, atol=1e-4)
