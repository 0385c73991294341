"""Embedder of ONNX files: ours and those of other projects."""

import os
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from sphereface_plus import checkpoint
from sphereface_plus.config import ConfigError, InputSpec, load_input_spec
from sphereface_plus.data.crops import SpecError, normalise
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.embedding import Embedder, embed_files, sidecar
from sphereface_plus.onnx_import import OnnxError
from tests.embedding.small_models import SPEC


@pytest.mark.parametrize("batch", [1, 4, "batch"])
@pytest.mark.parametrize("outside", [False, True])
def test_an_onnx_file_of_any_batch_embeds_any_number_of_crops(linear_onnx, crops, batch, outside):
    path, weight = linear_onnx(batch, outside=outside)
    assert (path.parent / "model.onnx.data").is_file() == outside
    embedder = Embedder.load(path, input=SPEC, device="cpu")
    inputs = normalise(torch.from_numpy(crops), SPEC).numpy()
    np.testing.assert_allclose(embedder(crops), inputs.reshape(5, -1) @ weight, rtol=1e-5, atol=1e-3)
    assert embedder(crops[:1]).shape == (1, 8)
    assert embedder(crops, "concat").shape == (5, 16)
    assert embedder.kind == "onnx"


def test_an_onnx_files_fingerprint_is_its_hash_or_covers_its_weight_file_too(linear_onnx):
    path, _ = linear_onnx()
    assert Embedder.load(path, input=SPEC).fingerprint == checkpoint.sha256(path)
    path, _ = linear_onnx(outside=True)
    before = Embedder.load(path, input=SPEC).fingerprint
    data = bytearray((path.parent / "model.onnx.data").read_bytes())
    data[100] ^= 1
    (path.parent / "model.onnx.data").write_bytes(data)
    assert Embedder.load(path, input=SPEC).fingerprint != before


def test_an_onnx_file_takes_its_input_spec_from_the_sidecar(linear_onnx, crops):
    path, _ = linear_onnx()
    sidecar(path).write_text("template: small_48x32\nheight: 48\nwidth: 32\n")
    assert sidecar(path).name == "model.onnx.yaml"
    embedder = Embedder.load(path, device="cpu")
    assert embedder.input == SPEC
    np.testing.assert_array_equal(
        embedder(crops), Embedder.load(path, input=embedder.input, device="cpu")(crops)
    )


def test_an_onnx_file_without_an_input_spec_says_how_to_give_one(linear_onnx):
    path, _ = linear_onnx()
    with pytest.raises(
        SpecError, match=r"does not say which crops it expects; give its input spec by --input"
    ):
        Embedder.load(path)
    sidecar(path).write_text("height: tall\n")
    with pytest.raises(ConfigError, match="height"):
        Embedder.load(path)


def test_another_colour_order_than_the_models_own_is_refused(linear_onnx, run_folder):
    path, _ = linear_onnx()
    sidecar(path).write_text("template: small_48x32\nheight: 48\nwidth: 32\n")
    rgb = SPEC.model_copy(update={"color": "rgb"})
    for model in (path, run_folder):
        Embedder.load(model, input=SPEC)
        with pytest.raises(SpecError, match="expects another input: color bgr, got rgb"):
            Embedder.load(model, input=rgb)


def test_an_onnx_file_of_another_size_than_its_spec_is_refused(linear_onnx):
    path, _ = linear_onnx()
    with pytest.raises(SpecError, match=r"takes crops \[3, 48, 32\] .*, its input spec says \[3, 112, 96\]"):
        Embedder.load(path, input=InputSpec())


@pytest.fixture
def foreign_onnx(tmp_path):
    """An ONNX file as other projects write them: embeddings, the mean over the columns, and their norms."""

    def write(*, dtype=TensorProto.FLOAT, colours_last=False, batch="batch", maps=False):
        shape = [48, 32, 3] if colours_last else [3, 48, 32]
        order = [0, 3, 1, 2] if colours_last else [0, 1, 2, 3]
        size = [-1, 144, 1, 1] if maps else [-1, 144]
        nodes = [
            helper.make_node("ReduceMean", ["crops"], ["means"], axes=[2 if colours_last else 3]),
            helper.make_node("Transpose", ["means"], ["rows"], perm=order),
            helper.make_node("Flatten", ["rows"], ["flat"]),  # (B, 3 * 48), colour by colour
            helper.make_node("ReduceL2", ["flat"], ["norms"], axes=[1]),
            helper.make_node("Reshape", ["flat", "shape"], ["embeddings"]),
        ]
        graph = helper.make_graph(
            nodes,
            "foreign",
            [helper.make_tensor_value_info("crops", dtype, [batch, *shape])],
            [
                helper.make_tensor_value_info("norms", dtype, [batch, 1]),
                helper.make_tensor_value_info("embeddings", dtype, [batch, *size[1:]]),
            ],
            [numpy_helper.from_array(np.array(size), "shape")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "foreign.onnx")
        return tmp_path / "foreign.onnx"

    return write


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"dtype": TensorProto.FLOAT16},
        {"dtype": TensorProto.DOUBLE},
        {"colours_last": True},
        {"colours_last": True, "dtype": TensorProto.FLOAT16, "batch": 2},
        {"maps": True},
    ],
)
def test_onnx_files_with_norms_in_half_precision_or_with_colours_last_give_their_embeddings(
    foreign_onnx, crops, form
):
    embeddings = Embedder.load(foreign_onnx(**form), input=SPEC, device="cpu")(crops)
    expected = normalise(torch.from_numpy(crops), SPEC).numpy().mean(axis=3).reshape(5, -1)
    half = form.get("dtype") == TensorProto.FLOAT16
    np.testing.assert_allclose(embeddings, expected, rtol=0, atol=2e-3 if half else 1e-6)
    assert embeddings.dtype == np.float32


def test_an_output_is_chosen_by_its_name_in_the_input_spec(linear_onnx, foreign_onnx, crops, tmp_path):
    text = "template: small_48x32\nheight: 48\nwidth: 32\n"
    (tmp_path / "input.yaml").write_text(text + "output: embeddings1\n")
    spec = load_input_spec(tmp_path / "input.yaml")
    path, weight = linear_onnx(outputs=2)
    inputs = normalise(torch.from_numpy(crops), SPEC).numpy()
    embedder = Embedder.load(path, input=spec, device="cpu")
    np.testing.assert_allclose(embedder(crops), inputs.reshape(5, -1) @ weight, rtol=1e-5, atol=1e-3)
    assert embedder.meta("none")["input"]["output"] == "embeddings1"
    sidecar(path).write_text(text)  # the two together: one says which crops, the other which output
    assert Embedder.load(path, input=spec)(crops).shape == (5, 8)
    with pytest.raises(OnnxError, match=r"has no output embeddings1, .*; it has norms, embeddings"):
        Embedder.load(foreign_onnx(), input=spec)
    with pytest.raises(SpecError, match="pixels: has one output; `output` in an input spec is for ONNX"):
        Embedder.load("pixels", input=spec)


def test_an_embedding_that_is_not_finite_names_the_model_and_the_crop(linear_onnx, crops, tmp_path):
    path, weight = linear_onnx()
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight * np.float32(np.nan), "weight"))
    onnx.save(model, path)
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), crops[number])
    with pytest.raises(
        EmbeddingsError,
        match=r"model\.onnx: its embedding of \S*/0\.png is not finite; the model is broken",
    ):
        embed_files(Embedder.load(path, input=SPEC), [tmp_path / "0.png", tmp_path / "1.png"])


def test_a_session_leaves_no_telemetry_in_the_users_home(linear_onnx, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    path, _ = linear_onnx()
    code = (
        "from sphereface_plus.config import InputSpec; from sphereface_plus.embedding import Embedder\n"
        f"Embedder.load({str(path)!r}, input=InputSpec(template='small_48x32', height=48, width=32))"
    )
    without = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    subprocess.run([sys.executable, "-c", code], env=without | {"HOME": str(home)}, check=True)
    assert list(home.rglob("onnxruntime*")) == list(home.rglob("deviceid")) == []


def test_onnxruntime_is_imported_only_for_an_onnx_file():
    code = "import sys, sphereface_plus.embedding; print('onnxruntime' in sys.modules, 'onnx' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False False"


@pytest.mark.real_data
def test_a_real_network_of_somebody_else_tells_two_photos_of_one_person_from_another(shared_data, repository):
    spec = load_input_spec(repository / "configs" / "input" / "mobilefacenet.yaml")
    embedder = Embedder.load(shared_data / "weights" / "MobileFaceNet.onnx", input=spec)
    crops = []
    for name in ("George_W_Bush_0001", "George_W_Bush_0002", "Serena_Williams_0001", "Serena_Williams_0002"):
        photo = cv2.imread(str(shared_data / "lfw" / "images" / name[:-5] / f"{name}.jpg"))
        assert photo is not None
        # A face fills about the middle 112 of LFW's 250 pixels; eyes at about y 112: roughly aligned.
        crops.append(cv2.resize(photo[58:190, 59:191, ::-1], (112, 112)))
    embeddings = embedder(np.stack(crops), "concat")
    assert embeddings.shape == (4, 256)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = unit @ unit.T
    assert min(cosines[0, 1], cosines[2, 3]) > cosines[:2, 2:].max() + 0.1
