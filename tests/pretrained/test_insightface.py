"""insightface's networks, computed here literally from the names of its state dicts."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from sphereface_plus import weights
from sphereface_plus.__main__ import cli
from sphereface_plus.embedding import Embedder
from sphereface_plus.pretrained import PretrainedError, convert

WIDTHS = (64, 128, 256, 512)


class Tensors(dict):
    """Random tensors by name; a small embedding keeps them small."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(2)

    def convolution(self, name, out, into, size):
        scale = (2 / (into * size * size)) ** 0.5
        self[f"{name}.weight"] = torch.randn(out, into, size, size, generator=self.generator) * scale

    def norm(self, name, width):
        self[f"{name}.weight"] = torch.rand(width, generator=self.generator) * 0.4 + 0.6
        self[f"{name}.bias"] = torch.randn(width, generator=self.generator) * 0.1
        self[f"{name}.running_mean"] = torch.randn(width, generator=self.generator) * 0.1
        self[f"{name}.running_var"] = torch.rand(width, generator=self.generator) + 0.5
        self[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def prelu(self, name, width):
        self[f"{name}.weight"] = torch.rand(width, generator=self.generator) * 0.3


def norm(t, name, x):
    values = (t[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    mean, variance, weight, bias = (value.view(1, -1, *[1] * (x.ndim - 2)) for value in values)
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def prelu(t, name, x):
    return torch.where(x > 0, x, t[f"{name}.weight"].view(1, -1, 1, 1) * x)


def iresnet(units, embedding_size):
    t = Tensors()
    t.convolution("conv1", 64, 3, 3)
    t.norm("bn1", 64)
    t.prelu("prelu", 64)
    below = 64
    for stage, (width, count) in enumerate(zip(WIDTHS, units, strict=True), start=1):
        for unit in range(count):
            name = f"layer{stage}.{unit}"
            t.norm(f"{name}.bn1", below)
            t.convolution(f"{name}.conv1", width, below, 3)
            t.norm(f"{name}.bn2", width)
            t.prelu(f"{name}.prelu", width)
            t.convolution(f"{name}.conv2", width, width, 3)
            t.norm(f"{name}.bn3", width)
            if unit == 0:
                t.convolution(f"{name}.downsample.0", width, below, 1)
                t.norm(f"{name}.downsample.1", width)
            below = width
    t.norm("bn2", 512)
    t["fc.weight"] = torch.randn(embedding_size, 512 * 49, generator=t.generator) * 0.01
    t["fc.bias"] = torch.randn(embedding_size, generator=t.generator)
    t.norm("features", embedding_size)
    return dict(t)


def iresnet_forward(t, units, x):
    x = prelu(t, "prelu", norm(t, "bn1", F.conv2d(x, t["conv1.weight"], padding=1)))
    for stage, count in enumerate(units, start=1):
        for unit in range(count):
            name, stride = f"layer{stage}.{unit}", 1 if unit else 2
            y = F.conv2d(norm(t, f"{name}.bn1", x), t[f"{name}.conv1.weight"], padding=1)
            y = prelu(t, f"{name}.prelu", norm(t, f"{name}.bn2", y))
            y = norm(t, f"{name}.bn3", F.conv2d(y, t[f"{name}.conv2.weight"], stride=stride, padding=1))
            if unit == 0:
                x = F.conv2d(x, t[f"{name}.downsample.0.weight"], stride=2)
                x = norm(t, f"{name}.downsample.1", x)
            x = x + y
    x = norm(t, "bn2", x).flatten(1)
    return norm(t, "features", x @ t["fc.weight"].T + t["fc.bias"])


def mobilefacenet(embedding_size):
    t = Tensors()

    def block(name, out, into, size, activated=True):
        t.convolution(f"{name}.layers.0", out, into, size)
        t.norm(f"{name}.layers.1", out)
        if activated:
            t.prelu(f"{name}.layers.2", out)

    def depthwise(name, into, out, inside):
        block(f"{name}.layers.0", inside, into, 1)
        block(f"{name}.layers.1", inside, 1, 3)
        block(f"{name}.layers.2", out, inside, 1, activated=False)

    block("layers.0", 128, 3, 3)
    block("layers.1", 128, 2, 3)  # 64 groups
    depthwise("layers.2", 128, 128, 128)
    for unit in range(4):
        depthwise(f"layers.3.layers.{unit}", 128, 128, 128)
    depthwise("layers.4", 128, 256, 256)
    for unit in range(6):
        depthwise(f"layers.5.layers.{unit}", 256, 256, 256)
    depthwise("layers.6", 256, 256, 512)
    for unit in range(2):
        depthwise(f"layers.7.layers.{unit}", 256, 256, 256)
    block("conv_sep", 512, 256, 1)
    t.convolution("features.layers.0.layers.0", 512, 1, 7)
    t.norm("features.layers.0.layers.1", 512)
    t["features.layers.2.weight"] = torch.randn(embedding_size, 512, generator=t.generator) * 0.04
    t.norm("features.layers.3", embedding_size)
    return dict(t)


def mobilefacenet_forward(t, x):
    def block(name, x, **options):
        weight = t[f"{name}.layers.0.weight"]
        groups = x.shape[1] // weight.shape[1]
        x = norm(t, f"{name}.layers.1", F.conv2d(x, weight, groups=groups, **options))
        return prelu(t, f"{name}.layers.2", x) if f"{name}.layers.2.weight" in t else x

    def depthwise(name, x, stride):
        x = block(f"{name}.layers.1", block(f"{name}.layers.0", x), stride=stride, padding=1)
        return block(f"{name}.layers.2", x)

    x = block("layers.1", block("layers.0", x, stride=2, padding=1), padding=1)
    for number, count in ((2, 4), (4, 6), (6, 2)):
        x = depthwise(f"layers.{number}", x, 2)
        for unit in range(count):
            x = x + depthwise(f"layers.{number + 1}.layers.{unit}", x, 1)
    x = block("features.layers.0", block("conv_sep", x)).flatten(1)
    return norm(t, "features.layers.3", x @ t["features.layers.2.weight"].T)


@pytest.fixture
def square_crops():
    return np.random.default_rng(1).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)


def as_input(crops):
    return torch.from_numpy((crops.astype(np.float32) - 127.5) / 127.5).permute(0, 3, 1, 2)


def test_an_iresnet_embeds_as_its_graph_says(square_crops, tmp_path):
    units = (2, 2, 2, 2)
    tensors = iresnet(units, 16)
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "backbone.pth")
    model = convert(tmp_path / "backbone.pth", tmp_path / "face.safetensors", "insightface")
    expected = iresnet_forward(tensors, units, as_input(square_crops))
    found = torch.from_numpy(Embedder.load(model.file, device="cpu")(square_crops))
    torch.testing.assert_close(F.normalize(found), F.normalize(expected), rtol=0, atol=1e-5)
    spec = model.info.network.input
    assert (model.info.network.name, model.info.network.embedding_size) == ("iresnet18", 16)
    assert (spec.template, spec.color, spec.std[0]) == ("arcface_112x112", "rgb", 127.5)


def test_mobilefacenet_embeds_as_its_graph_says_and_its_input_can_be_folded(square_crops, tmp_path):
    tensors = mobilefacenet(16)
    checkpoint = {"epoch": 3, "state_dict_backbone": tensors, "state_optimizer": {"state": {}}}
    torch.save(checkpoint, tmp_path / "checkpoint_gpu_0.pt")
    expected = mobilefacenet_forward(tensors, as_input(square_crops))
    for fold in (False, True):
        model = convert(
            tmp_path / "checkpoint_gpu_0.pt", tmp_path / "face.safetensors", "insightface", fold=fold
        )
        found = torch.from_numpy(Embedder.load(model.file, device="cpu")(square_crops))
        torch.testing.assert_close(F.normalize(found), F.normalize(expected), rtol=0, atol=1e-5)
        assert model.info.network.input.std[0] == (1.0 if fold else 127.5)


def test_other_networks_are_refused(tmp_path):
    out = tmp_path / "face.safetensors"
    tensors = iresnet((2, 2, 2, 2), 4)
    for change, match in (
        ({"extra.weight": torch.zeros(2)}, r"is not iresnet18 of this format: it has extra\.weight"),
        ({"fc.weight": None}, r"is not iresnet18 of insightface: it lacks fc\.weight"),
        (
            {"layer4.1.bn1.weight": None},
            r"neither an IResNet nor a MobileFaceNet of insightface: \(2, 2, 2, 1\) residual",
        ),
        ({"fc.weight": torch.tensor(1.0)}, r"pth: is not iresnet18 .* its fc\.weight has the shape \(\)"),
        ({"fc.weight": torch.ones(0, 25088)}, r"its fc\.weight has the shape \(0, 25088\)"),
        (
            {
                "features.layers.0.layers.0.weight": torch.tensor(1.0),
                "features.layers.2.weight": torch.eye(2),
            },
            r"not mobilefacenet .* its features\.layers\.0\.layers\.0\.weight has the shape \(\)",
        ),
        (
            {"features.layers.0.layers.0.weight": torch.eye(2), "features.layers.2.weight": torch.eye(2)[0]},
            r"not mobilefacenet .* its features\.layers\.2\.weight has the shape \(2,\)",
        ),
    ):
        changed = {name: value for name, value in (tensors | change).items() if value is not None}
        torch.save(changed, tmp_path / "backbone.pth")
        with pytest.raises(PretrainedError, match=match):
            convert(tmp_path / "backbone.pth", out, "insightface")


def training_checkpoint(path, tensors, prototypes):
    classifier = {"weight": prototypes}
    torch.save({"epoch": 3, "state_dict_backbone": tensors, "state_dict_softmax_fc": classifier}, path)
    return path


def test_the_classifier_beside_the_network_gives_the_prototypes(tmp_path):
    prototypes = torch.randn(7, 16)
    source = training_checkpoint(tmp_path / "checkpoint_gpu_0.pt", mobilefacenet(16), prototypes)
    model = convert(source, tmp_path / "face.safetensors", "insightface")
    assert torch.equal(model.loss["prototypes"], prototypes)
    assert any(remark.startswith("prototypes of 1 rank, ") for remark in model.info.origin.remarks)


def test_parts_of_several_gpus_are_joined(tmp_path):
    tensors, parts = mobilefacenet(16), (torch.randn(4, 16), torch.randn(3, 16))
    files = [
        training_checkpoint(tmp_path / f"checkpoint_gpu_{number}.pt", tensors, part)
        for number, part in enumerate(parts)
    ]
    torch.save(tensors, tmp_path / "model.pt")
    for source in (tmp_path / "model.pt", files[0]):
        out = tmp_path / f"face_of_{source.stem}.safetensors"
        heads = [word for file in files for word in ("--head", str(file))]
        arguments = ["convert", str(source), str(out), "--from", "insightface", *heads]
        assert CliRunner().invoke(cli, arguments, catch_exceptions=False).exit_code == 0
        model = weights.load(out)
        assert torch.equal(model.loss["prototypes"], torch.cat(parts))
        words = "prototypes of 2 ranks, checkpoint_gpu_0.pt to checkpoint_gpu_1.pt"
        assert any(remark.startswith(words) for remark in model.info.origin.remarks)
    with pytest.raises(
        PretrainedError, match=r"gpu_0\.pt: holds its classifier itself; drop --head, or name"
    ):
        convert(files[0], tmp_path / "out.safetensors", "insightface", head=files[1:])


def test_a_network_is_not_taken_for_a_classifier(tmp_path):
    tensors, out = iresnet((2, 2, 2, 2), 4), tmp_path / "face.safetensors"  # its fc.weight is (4, 25088)
    torch.save(tensors, tmp_path / "backbone.pth")
    with pytest.raises(PretrainedError, match=r"backbone\.pth: is a network, not a classifier"):
        convert(tmp_path / "backbone.pth", out, "insightface", head=[tmp_path / "backbone.pth"])
    source = training_checkpoint(tmp_path / "checkpoint_gpu_0.pt", tensors, torch.zeros(4))
    with pytest.raises(PretrainedError, match="state_dict_softmax_fc holds no matrix called weight"):
        convert(source, out, "insightface")
    assert not out.exists()


@pytest.mark.parametrize("keys", [("net_state_dict",), ("state_dict", "model"), ("network", "state_dict")])
def test_a_state_dict_some_levels_down_is_opened(tmp_path, keys):
    tensors = mobilefacenet(16)
    content = {f"module.{name}": tensor for name, tensor in tensors.items()}
    for key in reversed(keys):
        content = {"epoch": 3, key: content, "optimizer": {"state": {}}}
    torch.save(content, tmp_path / "trained.ckpt")
    model = convert(tmp_path / "trained.ckpt", tmp_path / "face.safetensors", "insightface")
    assert torch.equal(model.network["features.layers.2.weight"], tensors["features.layers.2.weight"])


def test_the_family_that_reads_a_file_is_named(tmp_path):
    torch.save(iresnet((2, 2, 2, 2), 16), tmp_path / "backbone_100000.pth")
    with pytest.raises(PretrainedError, match=r"has batch normalisation.* It is read by --from insightface$"):
        convert(tmp_path / "backbone_100000.pth", tmp_path / "face.safetensors", "opensphere")
