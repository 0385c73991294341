"""convert: from another project's file to a weight file whose embeddings are that project's."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sphereface_plus import checkpoint
from sphereface_plus.config import InputSpec
from sphereface_plus.pretrained import PretrainedError, convert
from tests.pretrained.embedding_of import as_input, embed

UNITS = {4: (0, 0, 0, 0), 10: (0, 1, 2, 0)}


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
        [layer for layer in layers if layer[0] != "relu3_1"], r"not sphereface10 .* it lacks relu3_1\.weight;"
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


def as_layers(state):
    """clcarwin's state as layers, for caffe_forward."""
    found = {}
    for name, tensor in state.items():
        found.setdefault(name.partition(".")[0], []).append(tensor.numpy())
    return [(name, "", arrays) for name, arrays in found.items()]


# --- the classifier --------------------------------------------------------------------------------------


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


# --- files that are not weights ---------------------------------------------------------------------------


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
