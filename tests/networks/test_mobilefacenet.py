import torch

from sphereface_plus.networks import MobileFaceNet

NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def block(place, prelu=True):
    names = [f"{place}.layers.0.weight", *(f"{place}.layers.1.{part}" for part in NORM)]
    return [*names, f"{place}.layers.2.weight"] if prelu else names


def bottleneck(place):
    return block(f"{place}.layers.0") + block(f"{place}.layers.1") + block(f"{place}.layers.2", prelu=False)


def test_the_state_dict_has_insightfaces_names():
    names = block("layers.0") + block("layers.1") + block("conv_sep")
    for index in (2, 4, 6):
        names += bottleneck(f"layers.{index}")
    for index, count in ((3, 4), (5, 6), (7, 2)):
        names += [name for unit in range(count) for name in bottleneck(f"layers.{index}.layers.{unit}")]
    names += block("features.layers.0", prelu=False)
    names += ["features.layers.2.weight", *(f"features.layers.3.{part}" for part in NORM)]
    with torch.device("meta"):
        assert sorted(MobileFaceNet().state_dict()) == sorted(names)


def test_parameter_counts_are_those_of_the_structure():
    def block(weights, width, prelu=True):
        return weights + 2 * width + (width if prelu else 0)

    def bottleneck(channels, width, inside):
        return (
            block(channels * inside, inside) + block(9 * inside, inside) + block(inside * width, width, False)
        )

    body = block(27 * 128, 128) + block(9 * 2 * 128, 128)  # groups of two channels
    body += 5 * bottleneck(128, 128, 128)
    body += bottleneck(128, 256, 256) + 6 * bottleneck(256, 256, 256)
    body += bottleneck(256, 256, 512) + 2 * bottleneck(256, 256, 256)
    body += block(256 * 512, 512)
    for width, positions, known in ((112, 49, 2_059_520), (96, 42, 2_055_936)):
        expected = body + block(512 * positions, 512, False) + 512 * 512 + 2 * 512
        with torch.device("meta"):
            count = sum(p.numel() for p in MobileFaceNet(512, 112, width).parameters())
        assert count == expected == known


def test_evaluation_takes_each_crop_alone():
    network, crops = MobileFaceNet(8, 32, 32), torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        network(crops)
        network.eval()
        torch.testing.assert_close(network(crops)[:2], network(crops[:2]), rtol=1e-4, atol=1e-5)
