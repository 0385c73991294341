"""convert: from another project's file to a weight file whose embeddings are that project's."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sphereface_plus import checkpoint, weights
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.config import InputSpec
from sphereface_plus.embedding import Embedder
from sphereface_plus.networks import build_network
from sphereface_plus.pretrained import PretrainedError, convert, summary
from sphereface_plus.pretrained.torch_files import read_state_dict

UNITS = {4: (0, 0, 0, 0), 10: (0, 1, 2, 0)}


def as_input(crops, color, std):
    """Crops uint8 RGB (B, H, W, 3) as a project feeds them."""
    ordered = crops[..., ::-1] if color == "bgr" else crops
    return torch.from_numpy((ordered.astype(np.float32) - 127.5) / std).permute(0, 3, 1, 2)


def embed(path, crops):
    return torch.from_numpy(Embedder.load(path, device="cpu")(crops))


@pytest.fixture
def caffe_file(tmp_path, caffe_bytes):
    def write(layers, form="layer"):
        (tmp_path / "face.caffemodel").write_bytes(caffe_bytes(layers, form))
        return tmp_path / "face.caffemodel"

    return write


@pytest.mark.parametrize("form", ["layer", "v1"])
@pytest.mark.parametrize("depth", [4, 10])
def test_a_caffemodel_embeds_as_its_prototxt_says(
    caffe_file, sphereface_layers, caffe_forward, crops, tmp_path, depth, form
):
    layers = sphereface_layers(depth)
    source = caffe_file(layers, form)
    model = convert(source, tmp_path / "out" / "face.safetensors", "caffe", license="as its authors say")
    expected = caffe_forward(layers, as_input(crops, "bgr", 128))
    torch.testing.assert_close(embed(model.file, crops), expected, rtol=0, atol=1e-5)
    info = model.info
    assert (info.network.name, info.network.embedding_size) == (f"sphereface{depth}", 16)
    assert info.network.input == InputSpec(
        template="sphereface_112x96", height=112, width=96, color="bgr", std=(128.0, 128.0, 128.0)
    )
    assert (info.origin.format, info.origin.file) == ("caffe", "face.caffemodel")
    assert info.origin.sha256 == checkpoint.sha256(source)
    assert info.origin.license == "as its authors say"
    assert info.renamed["stages.0.down.weight"] == "conv1_1.weight"
    assert ("fc5.weight: (1, 1, 16, 21504) reshaped to (16, 21504)" in info.origin.remarks) == (form == "v1")
    assert not list((tmp_path / "out").glob(".*"))


def test_prototypes_come_along_normalised(caffe_file, sphereface_layers, tmp_path):
    layers = sphereface_layers(4, identities=7)
    model = convert(caffe_file(layers), tmp_path / "face.safetensors", "caffe")
    expected = F.normalize(torch.from_numpy(dict((n, a) for n, _, a in layers)["fc6"][0]))
    torch.testing.assert_close(model.loss["prototypes"], expected)
    assert model.info.identities is None


def test_sphereface_plus_has_its_prototypes_under_two_layers_and_they_are_taken_once(
    caffe_file, sphereface_layers, tmp_path
):
    layers = sphereface_layers(4, identities=7)
    shared = dict((name, arrays) for name, _, arrays in layers)["fc6"]
    layers.append(("inter_class_dist_output", "InterClass", shared))
    model = convert(caffe_file(layers), tmp_path / "face.safetensors", "caffe")
    assert model.loss["prototypes"].shape == (7, 16)
    assert "inter_class_dist_output shares the array of fc6: taken once" in model.info.origin.remarks


def test_a_deploy_network_has_no_prototypes(caffe_file, sphereface_layers, tmp_path):
    model = convert(caffe_file(sphereface_layers(4, identities=0)), tmp_path / "face.safetensors", "caffe")
    assert model.loss == {}
    assert "no fc6: without prototypes" in model.info.origin.remarks


def changed(layers, name, change):
    return [
        (n, kind, change([a.copy() for a in arrays]) if n == name else arrays) for n, kind, arrays in layers
    ]


def test_a_residual_bias_that_is_not_zero_is_refused(caffe_file, sphereface_layers, tmp_path):
    def shift(arrays):
        arrays[1][3] = 1e-3
        return arrays

    source = caffe_file(changed(sphereface_layers(10), "conv2_3", shift))
    with pytest.raises(
        PretrainedError, match=r"conv2_3\.bias is not zero, as SphereFace's training holds it"
    ):
        convert(source, tmp_path / "face.safetensors", "caffe")
    assert not (tmp_path / "face.safetensors").exists()


def test_other_networks_are_refused_by_what_they_lack_and_have(caffe_file, sphereface_layers, tmp_path):
    layers = sphereface_layers(10)
    out = tmp_path / "face.safetensors"

    def refused(changed_layers, match):
        with pytest.raises(PretrainedError, match=match):
            convert(caffe_file(changed_layers), out, "caffe")

    refused(
        [layer for layer in layers if layer[0] != "relu3_1"], r"no sphereface10 .* it lacks relu3_1\.weight;"
    )
    extra = [*layers, ("bn1", "BatchNorm", [np.ones(64, np.float32)])]
    refused(extra, r"it has bn1\.weight; --from names another one")
    refused([layer for layer in layers if layer[0] != "fc5"], r"without fc5; --from names another one")
    refused(
        [layer for layer in layers if not layer[0].startswith(("conv3_2", "conv3_3"))],
        r"residual units \(0, 1, 0, 0\) of the four stages",
    )
    refused(
        changed(layers, "conv2_2", lambda arrays: [arrays[0][:, :64], arrays[1]]),
        r"conv2_2\.weight has shape \(128, 64, 3, 3\), sphereface10's stages\.1\.units\.0\.conv1\.weight",
    )
    refused(
        changed(layers, "relu1_1", lambda arrays: [arrays[0] * np.nan]), r"relu1_1\.weight holds numbers that"
    )
    refused(
        changed(layers, "fc6", lambda arrays: [arrays[0][:, :8]]), r"prototypes have 8 dimensions, its .* 16"
    )
    refused(
        changed(layers, "fc5", lambda arrays: [arrays[0][:, :512], arrays[1]]),
        r"last layer takes maps of 1 pixels; crops of 112x96 give 42, crops of 112x112 give 49",
    )


def test_arrays_that_would_be_dropped_or_taken_for_others_are_refused(
    caffe_file, sphereface_layers, tmp_path
):
    layers = sphereface_layers(4)
    of = {layer[0]: layer for layer in layers}
    zeros = np.zeros(5, np.float32)

    def refused(changed_layers, match):
        with pytest.raises(PretrainedError, match=rf"face\.caffemodel: {match}"):
            convert(caffe_file(changed_layers), tmp_path / "face.safetensors", "caffe")

    refused(changed(layers, "fc6", lambda arrays: [*arrays, zeros]), "fc6 has 2 arrays, a bias among them")
    third = changed(layers, "conv2_1", lambda arrays: [*arrays, zeros])
    refused(third, "layer 'conv2_1' has more arrays than weights and a bias")
    refused([*layers, of["conv2_1"]], "has the layer 'conv2_1' twice")
    refused([*layers, of["fc6"]], "has the layer 'fc6' twice")
    for zero in (lambda arrays: [arrays[0] * 0], lambda arrays: [arrays[0] * np.eye(5, 1)]):
        refused(changed(layers, "fc6", zero), "its classifier holds a row of zeros, which is nobody's")


def test_crops_of_112x112_are_recognised_by_the_last_layer(caffe_file, sphereface_layers, tmp_path):
    source = caffe_file(sphereface_layers(4, width=112))
    spec = convert(source, tmp_path / "face.safetensors", "caffe").info.network.input
    assert (spec.template, spec.height, spec.width) == ("arcface_112x112", 112, 112)


# --- state dicts -----------------------------------------------------------------------------------------


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


# --- the classifier --------------------------------------------------------------------------------------


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


def test_identities_name_the_prototypes(caffe_file, sphereface_layers, tmp_path):
    source, names, out = (
        caffe_file(sphereface_layers(4, identities=3)),
        tmp_path / "n.txt",
        tmp_path / "f.safetensors",
    )
    names.write_text("Ann\nBjørk\nCem\n", encoding="utf-8")
    assert convert(source, out, "caffe", identities=names).info.identities == ("Ann", "Bjørk", "Cem")
    for text, count in (("Ann\nCem\n", 2), ("Ann\nAnn\nCem\n", 2), ("Ann\n\nCem\n", 2)):
        names.write_text(text)
        match = rf"has {count} different names, the classifier of .* 3 rows; it takes one name a line"
        with pytest.raises(PretrainedError, match=match):
            convert(source, out, "caffe", identities=names)
    source = caffe_file(sphereface_layers(4, identities=0))
    with pytest.raises(PretrainedError, match="has no classifier that --identities could name"):
        convert(source, out, "caffe", identities=names)


# --- folding ---------------------------------------------------------------------------------------------


def test_folded_weights_take_rgb_of_scale_1_and_give_the_same_embeddings(
    caffe_file, sphereface_layers, crops, tmp_path
):
    source = caffe_file(sphereface_layers(10))
    plain = convert(source, tmp_path / "plain.safetensors", "caffe")
    folded = convert(source, tmp_path / "folded.safetensors", "caffe", fold=True)
    spec = folded.info.network.input
    assert (spec.color, spec.mean, spec.std) == ("rgb", (127.5, 127.5, 127.5), (1.0, 1.0, 1.0))
    torch.testing.assert_close(embed(folded.file, crops), embed(plain.file, crops), rtol=0, atol=1e-5)
    assert any(
        remark.startswith("folded into the first convolution: bgr") for remark in folded.info.origin.remarks
    )


# --- files that are no weights ---------------------------------------------------------------------------


class Malicious:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_file_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path, capsys):
    torch.save({"conv1_1.weight": Malicious()}, tmp_path / "bad.pth")
    with pytest.raises(
        PretrainedError, match=r"holds more than tensors and plain data; refused, .* state_dict\(\)"
    ):
        convert(tmp_path / "bad.pth", tmp_path / "face.safetensors", "clcarwin")
    assert capsys.readouterr().out == ""


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    torch.save({"fc5.weight": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "bomb.pth")
    with pytest.raises(PretrainedError, match=r"fc5\.weight claims more numbers than the file holds"):
        convert(tmp_path / "bomb.pth", tmp_path / "face.safetensors", "clcarwin")


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta", "ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    "make",
    [
        lambda tensor: tensor.to("meta"),
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor.to_sparse_csr(),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda tensor: tensor.to(torch.uint8).view(torch.float4_e2m1fn_x2),
    ],
)
def test_a_tensor_that_is_not_its_numbers_one_by_one_is_refused(tmp_path, make):
    torch.save({"fc5.weight": make(torch.eye(3)), "fc5.bias": torch.ones(3)}, tmp_path / "x.pth")
    with pytest.raises(PretrainedError, match=r"fc5\.weight claims .*, or holds them in another form"):
        convert(tmp_path / "x.pth", tmp_path / "face.safetensors", "clcarwin")


def test_a_tuple_that_cannot_be_hashed_is_refused_in_the_old_form_too(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "x.pth").read_bytes()
    deep = b"\x80\x02}(" + b")" + b"\x85" * 10**6 + b"K\x01u."
    (tmp_path / "x.pth").write_bytes(data[: data.index(b"\x80\x02}q\x00X\x01")] + deep + data)
    with pytest.raises(PretrainedError, match="its tuples are nested too deep"):
        read_state_dict(tmp_path / "x.pth")


def test_an_embedding_of_no_numbers_is_refused(tmp_path):
    state = {f"conv{stage}_1.weight": torch.ones(1) for stage in (1, 2, 3, 4)}
    torch.save(state | {"fc5.weight": torch.ones(0, 512 * 42)}, tmp_path / "x.pth")
    with pytest.raises(PretrainedError, match=r"x\.pth: is no SphereFace network of this format"):
        convert(tmp_path / "x.pth", tmp_path / "face.safetensors", "clcarwin")


def test_other_files_are_refused_in_a_sentence(tmp_path):
    out = tmp_path / "face.safetensors"

    def refused(content, match, name="x.pth"):
        (tmp_path / name).write_bytes(content) if isinstance(content, bytes) else torch.save(
            content, tmp_path / name
        )
        with pytest.raises(PretrainedError, match=match):
            convert(tmp_path / name, out, "cosface")

    refused(b"<!DOCTYPE html>", r"x\.pth: is damaged, cut short or no file of torch's")
    refused(b"", r"x\.pth: is damaged, cut short or no file of torch's")
    refused(torch.zeros(3), "holds a Tensor, not tensors by name")
    refused({"epoch": 3}, "holds no state dict, but epoch")
    refused({"epoch\n\x1b[2J": 3}, r"holds no state dict, but epoch\\n\\x1b")
    refused({"a\n": torch.zeros(2)}, r"has the tensor 'a\\n', which is no name")
    refused({"a" * 301: torch.zeros(2)}, "has the tensor 'a{60}', which is no name")
    refused({"a": torch.zeros(2)}, r"is no SphereFace network of this format: residual units \(0, 0, 0, 0\)")
    refused(b"\x01\x02", "no safetensors file", name="x.safetensors")
    with pytest.raises(PretrainedError, match=r"none\.pth: there is no such file"):
        convert(tmp_path / "none.pth", out, "cosface")
    with pytest.raises(PretrainedError, match=r"face\.pt: the name of a weight file ends in \.safetensors"):
        convert(tmp_path / "x.pth", tmp_path / "face.pt", "cosface")


def test_safetensors_of_another_project_are_read_too(sphereface_layers, tmp_path):
    save_file(cosface_state(sphereface_layers(4)), tmp_path / "net.safetensors")
    with pytest.raises(
        CheckpointError, match=r"does not say which network it holds; .* sphereface-plus convert"
    ):
        weights.load(tmp_path / "net.safetensors")
    model = convert(tmp_path / "net.safetensors", tmp_path / "face.safetensors", "cosface")
    build_network(model.info.network).load_state_dict(model.network)


# --- OpenCV's own reader of Caffe ------------------------------------------------------------------------

OPENCV4 = os.environ.get("SPHEREFACE_OPENCV4")
RUN_OPENCV = """
import sys, cv2, numpy
prototxt, caffemodel, crops, out = sys.argv[1:]
net = cv2.dnn.readNetFromCaffe(prototxt, caffemodel)
net.enableWinograd(False)  # faster, and less exact
images = [crop[..., ::-1] for crop in numpy.load(crops)]
net.setInput(cv2.dnn.blobFromImages(images, 1 / 128, mean=(127.5, 127.5, 127.5), swapRB=False))
numpy.save(out, net.forward("fc5"))
"""


def prototxt(layers):
    """The deploy prototxt of these layers, as released: input, convolutions, PReLU, sums, fc5."""
    text = ['name: "SphereFaceNet"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 112\ninput_dim: 96']
    below, entry = "data", ""
    for name, kind, arrays in layers:
        if kind == "Convolution":
            first = name.endswith("_1")
            number = int(name.partition("_")[2])
            if number % 2 == 0:
                entry = below
            parameters = (
                f"convolution_param {{ num_output: {len(arrays[0])} kernel_size: 3 "
                f"stride: {2 if first else 1} pad: 1 }}"
            )
            bottoms, top = [below], name
        elif kind == "PReLU":
            parameters, bottoms, top = "", [below], below
        elif kind == "Eltwise":
            parameters, bottoms, top = "eltwise_param { operation: SUM }", [entry, below], name
        elif kind == "InnerProduct":
            parameters, bottoms, top = (
                f"inner_product_param {{ num_output: {len(arrays[0])} }}",
                [below],
                name,
            )
        else:
            continue
        below = top
        inputs = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
        text.append(f'layer {{ name: "{name}" type: "{kind}" {inputs} top: "{top}" {parameters} }}')
    return "\n".join(text)


@pytest.mark.slow
@pytest.mark.skipif(
    OPENCV4 is None, reason="SPHEREFACE_OPENCV4 names no folder with OpenCV 4; OpenCV 5 reads no Caffe"
)
@pytest.mark.parametrize(("depth", "embedding_size"), [(10, 16), (20, 512)])
def test_opencv_4_embeds_the_same_from_the_caffemodel(
    repository, caffe_file, sphereface_layers, crops, tmp_path, depth, embedding_size
):
    layers = sphereface_layers(depth, embedding_size)
    source = caffe_file(layers)
    (tmp_path / "deploy.prototxt").write_text(prototxt(layers))
    np.save(tmp_path / "crops.npy", crops)
    arguments = [tmp_path / name for name in ("deploy.prototxt", source.name, "crops.npy", "out.npy")]
    subprocess.run(
        [sys.executable, "-c", RUN_OPENCV, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(repository / OPENCV4)},
        check=True,
    )
    model = convert(source, tmp_path / "face.safetensors", "caffe")
    difference = (embed(model.file, crops) - torch.from_numpy(np.load(tmp_path / "out.npy"))).abs().max()
    print(json.dumps({"depth": depth, "largest difference": difference.item()}))
    assert difference < 1e-5


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["net.pth", "old.pth", "net.safetensors"])
def test_damage_anywhere_in_a_state_dict_is_read_or_refused_in_a_sentence(tmp_path, name, data):
    state = {"conv1_1.weight": torch.arange(12.0).reshape(3, 4), "conv1_1.bias": torch.ones(3)}
    if name.endswith("safetensors"):
        save_file(state, tmp_path / name)
    else:  # old: the form before torch 1.6, a row of pickles
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=name == "net.pth")
    damaged = bytearray((tmp_path / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        tensors = read_state_dict(tmp_path / name)
    except PretrainedError as error:
        assert f"{name}: " in str(error)  # noqa: PT017
    else:
        assert sum(tensor.nbytes for tensor in tensors.values()) <= len(damaged)
