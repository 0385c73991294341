"""State dicts of clcarwin, CosFace and OpenSphere embed as their own networks do."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from sphereface_plus import weights
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.networks import build_network
from sphereface_plus.pretrained import PretrainedError, convert, summary
from tests.pretrained.embedding_of import as_input, embed


def clcarwin_state(layers, seed=5):
    """sphere20a's state dict: Caffe's names, trained biases everywhere, the classifier (D, C)."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for name, _, arrays in layers:
        for part, array in zip(("weight", "bias"), arrays, strict=False):
            state[f"{name}.{part}"] = torch.from_numpy(array)
        if name.startswith("conv"):
            state[f"{name}.bias"] = torch.randn(len(arrays[1]), generator=generator) * 0.2
    state["fc6.weight"] = state["fc6.weight"].T.contiguous()
    return state


def as_layers(state):
    """clcarwin's state as layers, for caffe_forward."""
    found = {}
    for name, tensor in state.items():
        found.setdefault(name.partition(".")[0], []).append(tensor.numpy())
    return [(name, "", arrays) for name, arrays in found.items()]


@pytest.mark.parametrize("prefix", ["", "module.", "net.module."])
def test_clcarwins_biases_and_transposed_classifier_come_along(
    sphereface_layers, caffe_forward, crops, tmp_path, prefix
):
    state = clcarwin_state(sphereface_layers(10, identities=6))
    torch.save({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "sphere20a.pth")
    model = convert(tmp_path / "sphere20a.pth", tmp_path / "face.safetensors", "clcarwin")
    assert model.info.network.variant == "clcarwin"
    assert model.info.network.input.template == "sphereface_112x96_clcarwin"
    assert "--template sphereface_112x96_clcarwin" in summary(model)
    expected = caffe_forward(as_layers(state), as_input(crops, "bgr", 128), bias=True)
    torch.testing.assert_close(embed(model.file, crops), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.loss["prototypes"], state["fc6.weight"].T)
    without = caffe_forward(as_layers(state), as_input(crops, "bgr", 128))
    assert (expected - without).abs().max() > 1e-2  # the biases do matter here


def layer_state(layers, first, unit, prelu=True, biases=False):
    """A state dict with other names: first(stage) and unit(stage, b, c) name convolutions."""
    arrays_of, state = {name: arrays for name, _, arrays in layers}, {}
    generator = torch.Generator().manual_seed(6)
    for stage in (1, 2, 3, 4):
        number = 1
        while f"conv{stage}_{number}" in arrays_of:
            weight, bias = map(torch.from_numpy, arrays_of[f"conv{stage}_{number}"])
            slope = torch.from_numpy(arrays_of[f"relu{stage}_{number}"][0])
            convolution, activation = (
                first(stage) if number == 1 else unit(stage, number // 2, 1 + number % 2)
            )
            state[f"{convolution}.weight"] = weight
            if number == 1 or biases:
                bias = torch.randn(len(bias), generator=generator) * 0.2 if biases else bias
                state[f"{convolution}.bias"] = bias
            if prelu:
                state[f"{activation}.weight"] = slope
            number += 1
    state["fc.weight"], state["fc.bias"] = map(torch.from_numpy, arrays_of["fc5"])
    return state


def cosface_state(layers):
    return layer_state(
        layers,
        first=lambda s: (f"layer{s}.0", f"layer{s}.1"),
        unit=lambda s, b, c: (f"layer{s}.{b + 1}.conv{c}", f"layer{s}.{b + 1}.prelu{c}"),
    )


def opensphere_state(layers, conv="conv1"):
    return layer_state(
        layers,
        first=lambda s: (f"layer{s}.0.{conv}", ""),
        unit=lambda s, b, c: (f"layer{s}.{b}.conv{c}", ""),
        prelu=False,
        biases=True,
    )


def opensphere_forward(state, x, sum_last, conv="conv1"):
    for stage in (1, 2, 3, 4):
        name = f"layer{stage}.0.{conv}"
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1).clamp_min(0)
        unit = 1
        while f"layer{stage}.{unit}.conv1.weight" in state:
            one, two = (f"layer{stage}.{unit}.conv{number}" for number in (1, 2))
            y = F.conv2d(x, state[f"{one}.weight"], state[f"{one}.bias"], padding=1).clamp_min(0)
            y = F.conv2d(y, state[f"{two}.weight"], state[f"{two}.bias"], padding=1)
            x = x + y.clamp_min(0) if sum_last else (x + y).clamp_min(0)
            unit += 1
    return x.flatten(1) @ state["fc.weight"].T + state["fc.bias"]


def test_cosfaces_network_sees_rgb_at_another_scale(sphereface_layers, caffe_forward, crops, tmp_path):
    layers = sphereface_layers(10)
    torch.save({"state_dict": cosface_state(layers), "epoch": 3}, tmp_path / "ACC99.28.pth")
    model = convert(tmp_path / "ACC99.28.pth", tmp_path / "face.safetensors", "cosface")
    expected = caffe_forward(layers, as_input(crops, "rgb", 127.5))
    torch.testing.assert_close(embed(model.file, crops), expected, rtol=0, atol=1e-5)
    assert (model.info.network.input.color, model.info.network.input.std[0]) == ("rgb", 127.5)
    assert model.loss == {}


@pytest.mark.parametrize(
    ("format", "conv", "sum_last"),
    [
        ("opensphere", "conv1", False),
        ("opensphere_deprecated", "conv1", True),
        ("opensphere_deprecated", "conv", True),
    ],
)
def test_openspheres_networks_add_before_or_after_their_last_relu(
    sphereface_layers, tmp_path, format, conv, sum_last
):
    state = opensphere_state(sphereface_layers(10, width=112), conv)
    torch.save(state, tmp_path / "backbone_70000.pth")
    model = convert(tmp_path / "backbone_70000.pth", tmp_path / "face.safetensors", format)
    crops = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    expected = opensphere_forward(state, as_input(crops, "rgb", 127.5), sum_last, conv)
    torch.testing.assert_close(embed(model.file, crops), expected, rtol=0, atol=1e-5)
    other = opensphere_forward(state, as_input(crops, "rgb", 127.5), not sum_last, conv)
    assert (expected - other).abs().max() > 1e-2
    ambiguous = any("compare with the config.yml of its run" in r for r in model.info.origin.remarks)
    assert ambiguous == (conv == "conv1")


def test_the_two_forms_of_opensphere_are_told_apart_where_the_names_show_it(sphereface_layers, tmp_path):
    layers = sphereface_layers(4, width=112)
    torch.save(opensphere_state(layers, "conv"), tmp_path / "a.pth")
    with pytest.raises(PretrainedError, match="is an sfnet_deprecated; take --from opensphere_deprecated"):
        convert(tmp_path / "a.pth", tmp_path / "face.safetensors", "opensphere")
    state = opensphere_state(layers) | {"layer1.0.bn1.running_mean": torch.zeros(64)}
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(PretrainedError, match=r"has batch normalisation \(layer1\.0\.bn1\.running_mean\)"):
        convert(tmp_path / "b.pth", tmp_path / "face.safetensors", "opensphere")


@pytest.mark.parametrize("transposed", [False, True])
def test_a_classifier_in_a_file_of_its_own_is_taken_in_either_orientation(
    sphereface_layers, tmp_path, transposed
):
    torch.save(cosface_state(sphereface_layers(4)), tmp_path / "net.pth")
    prototypes = torch.randn(5, 16)
    torch.save({"module.w": prototypes.T.clone() if transposed else prototypes}, tmp_path / "head.pth")
    model = convert(
        tmp_path / "net.pth", tmp_path / "face.safetensors", "cosface", head=[tmp_path / "head.pth"]
    )
    assert torch.equal(model.loss["prototypes"], prototypes)


def test_safetensors_of_another_project_are_read_too(sphereface_layers, tmp_path):
    save_file(cosface_state(sphereface_layers(4)), tmp_path / "net.safetensors")
    with pytest.raises(
        CheckpointError, match=r"does not say which network it holds; .* sphereface-plus convert"
    ):
        weights.load(tmp_path / "net.safetensors")
    model = convert(tmp_path / "net.safetensors", tmp_path / "face.safetensors", "cosface")
    build_network(model.info.network).load_state_dict(model.network)


def test_classifiers_that_cannot_be_are_refused(sphereface_layers, caffe_file, tmp_path):
    torch.save(cosface_state(sphereface_layers(4)), tmp_path / "net.pth")
    head, out = tmp_path / "head.pth", tmp_path / "face.safetensors"
    for tensors, match in (
        ({"w": torch.zeros(16, 16)}, "the classifier is 16 x 16, which of the two are the identities"),
        ({"w": torch.zeros(5, 8)}, "has 0 matrices with 16 rows or columns, expected one; it holds w"),
        ({"a": torch.zeros(5, 16), "b": torch.zeros(6, 16)}, "has 2 matrices"),
        (
            {"conv1.weight": torch.zeros(8, 3, 3, 3), "fc.weight": torch.zeros(16, 99)},
            r"head\.pth: is a network, not a classifier",
        ),
    ):
        torch.save(tensors, head)
        with pytest.raises(PretrainedError, match=match):
            convert(tmp_path / "net.pth", out, "cosface", head=[head])
    torch.save({"w": torch.ones(5, 16).tril(-1)}, head)
    with pytest.raises(PretrainedError, match=r"head\.pth: its classifier holds a row of zeros"):
        convert(tmp_path / "net.pth", out, "cosface", head=[head])
    source = caffe_file(sphereface_layers(4))
    with pytest.raises(PretrainedError, match="holds its classifier itself; drop --head"):
        convert(source, out, "caffe", head=[head])
