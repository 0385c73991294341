import subprocess
import sys
import warnings
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from sphereface_plus import checkpoint
from sphereface_plus.__main__ import cli
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.config import ConfigError, InputSpec, from_dict, load_input_spec, to_dict
from sphereface_plus.data.crops import CropsError, SpecError, normalise
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.embedding import Embedder, embed_files, fuse, load_network, sidecar
from sphereface_plus.networks import build_network
from sphereface_plus.onnx_import import OnnxError, onnx_fingerprint
from sphereface_plus.path_checks import PlaceError

SPEC = InputSpec(template="small_48x32", height=48, width=32)
CONFIG = from_dict(
    {
        "name": "test",
        "data": {"path": "crops"},
        "network": {"name": "sphereface4", "embedding_size": 8, "input": to_dict(SPEC)},
        "loss": {"kind": "softmax"},
        "optimizer": {"learning_rate": 0.1},
        "train": {"steps": 1, "batch_size": 2},
    }
)


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 32, 3), dtype=np.uint8)


@pytest.fixture
def network():
    return build_network(CONFIG.network).eval()


@pytest.fixture
def run_folder(tmp_path, network):
    payload = {"config": to_dict(CONFIG), "network": network.state_dict()}
    checkpoint.save(tmp_path / "run" / "checkpoints" / "last.pt", payload)
    return tmp_path / "run"


@pytest.fixture
def linear_onnx(tmp_path):
    """(batch, outside): an ONNX file that multiplies the flat input with a matrix, and that matrix."""

    def write(batch="batch", *, outside=False, output=(8,), outputs=1):
        weight = np.random.default_rng(1).normal(size=(3 * 48 * 32, 8)).astype(np.float32)
        names = [f"embeddings{number}" for number in range(outputs)]
        nodes = [helper.make_node("Flatten", ["crops"], ["flat"])]
        nodes += [helper.make_node("MatMul", ["flat", "weight"], [f"product{n}"]) for n in range(outputs)]
        nodes += [helper.make_node("Reshape", [f"product{n}", "shape"], [names[n]]) for n in range(outputs)]
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("crops", TensorProto.FLOAT, [batch, 3, 48, 32])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *output]) for name in names],
            [
                numpy_helper.from_array(weight, "weight"),
                numpy_helper.from_array(np.array([-1, *output]), "shape"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / "model.onnx", save_as_external_data=outside, location="model.onnx.data")
        return tmp_path / "model.onnx", weight

    return write


def test_a_checkpoints_embeddings_are_those_of_its_network(run_folder, network, crops):
    with torch.inference_mode():
        expected = network(normalise(torch.from_numpy(crops), SPEC)).numpy()
    for path in (run_folder, str(run_folder / "checkpoints" / "last.pt")):
        embedder = Embedder.load(path, device="cpu")
        np.testing.assert_allclose(embedder(crops), expected, rtol=0, atol=1e-6)
        assert (embedder.kind, embedder.input) == ("checkpoint", SPEC)
        assert embedder.fingerprint == checkpoint.sha256(run_folder / "checkpoints" / "last.pt")
    assert embedder(crops).dtype == np.float32


def test_the_mirrored_crops_join_by_sum_or_concatenation_of_raw_embeddings(run_folder, crops):
    embedder = Embedder.load(run_folder, device="cpu")
    plain, mirrored = embedder(crops), embedder(crops[:, :, ::-1])
    np.testing.assert_allclose(embedder(crops, "sum"), plain + mirrored, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        embedder.embed(crops, flip="concat"), np.concatenate([plain, mirrored], axis=1), rtol=0, atol=1e-6
    )
    assert np.abs(plain - mirrored).max() > 1e-3


def test_flip_fusion_is_by_name():
    embeddings, mirrored = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    assert fuse(embeddings, mirrored, "none").tolist() == [[1, 2]]
    assert fuse(embeddings, mirrored, "sum").tolist() == [[4, 7]]
    assert fuse(embeddings, mirrored, "concat").tolist() == [[1, 2, 3, 5]]
    with pytest.raises(ValueError, match="flip must be none, sum or concat, got 'mean'"):
        fuse(embeddings, mirrored, "mean")  # pyright: ignore[reportArgumentType]


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


def test_onnx_files_that_are_no_network_are_refused(linear_onnx, tmp_path, crops):
    with pytest.raises(OnnxError, match=r"none\.onnx: there is no such ONNX file"):
        Embedder.load(tmp_path / "none.onnx", input=SPEC)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(OnnxError, match=r"bad\.onnx: onnxruntime cannot load it \("):
        Embedder.load(tmp_path / "bad.onnx", input=SPEC)
    path, _ = linear_onnx(outputs=2)
    with pytest.raises(
        OnnxError,
        match=r"has 2 outputs, of which 2 can be embeddings: embeddings0 \(2, 8\), embeddings1 \(2, 8\); "
        "name one in its input spec, as a line `output: NAME`",
    ):
        Embedder.load(path, input=SPEC)
    path, _ = linear_onnx(output=(4, 2))
    with pytest.raises(OnnxError, match=r"gives float32 \(5, 4, 2\) for 5 crops, expected floats \(5, D\)"):
        Embedder.load(path, input=SPEC)(crops)
    path, _ = linear_onnx(outside=True)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(OnnxError, match="onnxruntime cannot load it"):
        Embedder.load(path, input=SPEC)


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


@pytest.mark.parametrize("batch", [0, 4097, 2**40])
def test_an_onnx_file_that_fixes_the_batch_to_what_no_memory_holds_is_refused(linear_onnx, batch):
    path, _ = linear_onnx(batch)
    with pytest.raises(OnnxError, match=rf"takes {batch} crops at a time, expected 1 to 4096|cannot load it"):
        Embedder.load(path, input=SPEC)


def one_node_onnx(path, *nodes):
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["batch", 3, 48, 32])],
        [helper.make_empty_tensor_value_info("out")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_what_an_onnx_file_raises_while_it_runs_is_its_error(tmp_path, crops):
    shape = helper.make_node("Constant", [], ["shape"], value_ints=[7, 7])
    path = one_node_onnx(tmp_path / "a.onnx", shape, helper.make_node("Reshape", ["crops", "shape"], ["out"]))
    with pytest.raises(OnnxError, match=r"a\.onnx: onnxruntime cannot run it \(.*Reshape"):
        Embedder.load(path, input=SPEC)(crops)
    flat = helper.make_node("Flatten", ["crops"], ["flat"])
    path = one_node_onnx(tmp_path / "a.onnx", flat, helper.make_node("Cast", ["flat"], ["out"], to=7))
    with pytest.raises(OnnxError, match=r"gives int64 \(5, 4608\) for 5 crops, expected floats \(5, D\)"):
        Embedder.load(path, input=SPEC)(crops)


@pytest.mark.parametrize("location", ["../secret", "/dev/zero", "a" * 300, "none"])
def test_an_onnx_file_does_not_have_other_files_read(linear_onnx, location):
    path, _ = linear_onnx()
    model = onnx.load(path)
    tensor = model.graph.initializer.add(name="other", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OnnxError, match=r"outside of its folder|cannot be read \("):
        onnx_fingerprint(path)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(OnnxError, match="cannot be read as ONNX"):
        onnx_fingerprint(path)


def test_pixels_are_the_grey_values_that_a_network_would_see(crops):
    embedder = Embedder.load("pixels", input=SPEC)
    embeddings = embedder(crops)
    assert (embedder.kind, embedder.fingerprint) == ("pixels", "pixels")
    assert embeddings.shape == (5, 48 * 32)
    np.testing.assert_allclose(embeddings[2, 33], (crops[2, 1, 1].mean() - 127.5) / 128, rtol=1e-4)
    assert Embedder.load("pixels").input == InputSpec()


def test_crops_of_another_size_are_refused(run_folder, crops):
    embedder = Embedder.load(run_folder)
    with pytest.raises(SpecError, match=r"expected small_48x32 crops of 48x32 .*, got \w+ of 48x31"):
        embedder(crops[:, :, 1:])
    with pytest.raises(SpecError, match="expected crops uint8 RGB"):
        embedder(crops.astype(np.float32))


def test_files_are_embedded_in_batches_and_progress_counts_them(run_folder, crops, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, crop in zip(paths, crops, strict=True):
        cv2.imwrite(str(path), crop[..., ::-1])
    embedder, done = Embedder.load(run_folder, device="cpu"), []
    embeddings = embed_files(embedder, paths, flip="concat", batch_size=2, progress=done.append)
    np.testing.assert_allclose(embeddings, embedder(crops, "concat"), rtol=0, atol=1e-6)
    assert done == [2, 4, 5]
    cv2.imwrite(str(paths[3]), crops[3, 1:])
    with pytest.raises(SpecError, match=r"3\.png: expected small_48x32 crops of 48x32 .*, got \w+ of 47x32"):
        embed_files(embedder, paths)
    paths[3].unlink()
    with pytest.raises(CropsError, match=r"3\.png: the crop cannot be read"):
        embed_files(embedder, paths)


def test_a_name_is_the_folder_of_crops_and_raw_photos_are_refused(run_folder, crops, tmp_path):
    for number, crop in enumerate(crops):
        (tmp_path / "crops" / f"p{number}").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "crops" / f"p{number}" / "0.png"), crop[..., ::-1])
    embedder = Embedder.load(run_folder, device="cpu")
    for name in (tmp_path / "crops", str(tmp_path / "crops")):
        keys, embeddings = embedder(name, "sum")
        assert keys == [f"p{number}/0" for number in range(5)]
        np.testing.assert_allclose(embeddings, embedder(crops, "sum"), rtol=0, atol=1e-6)
    for path in (tmp_path / "crops").glob("*/0.png"):
        cv2.imwrite(str(path), np.zeros((250, 250, 3), np.uint8))
    with pytest.raises(
        SpecError, match=r"got images of 250x250; align the photos: python -m data_prep align"
    ):
        embedder(tmp_path / "crops")


def test_a_list_of_names_or_of_crops_and_one_name_are_embedded(run_folder, crops, tmp_path):
    embedder = Embedder.load(run_folder, device="cpu")
    expected = embedder(crops)
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, crop in zip(paths, crops, strict=True):
        cv2.imwrite(str(path), crop[:, :, ::-1])
    forms: list[Any] = [paths, tuple(map(str, paths)), list(crops), torch.from_numpy(crops)]
    for form in forms:
        np.testing.assert_allclose(embedder(form), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(embedder(paths[::-1]), expected[::-1], rtol=0, atol=1e-5)
    keys, embeddings = embedder(paths[3])
    assert keys == ["3"]
    np.testing.assert_allclose(embeddings, expected[3:4], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (None, "NoneType"),
        (7, "int"),
        ([], "a list of nothing"),
        ([None], "a list of NoneType"),
        (["a.png", np.zeros((48, 32, 3), np.uint8)], r"a list of ndarray \(48, 32, 3\), str"),
        ([np.zeros((48, 32, 3)), np.zeros((32, 48, 3))], r"a list of ndarray \(32, 48, 3\), ndarray \(48"),
    ],
)
def test_what_is_no_crop_is_one_sentence(run_folder, given, got):
    embedder = Embedder.load(run_folder, device="cpu")
    with pytest.raises(SpecError, match=rf"expected crops uint8 RGB \(B, 48, 32, 3\), .*, got {got}"):
        embedder(given)


@pytest.mark.parametrize("crops", [np.zeros((48, 32, 3), np.uint8), np.zeros((1, 48, 32, 3))])
def test_one_crop_alone_or_of_other_numbers_says_what_is_expected(run_folder, crops):
    with pytest.raises(SpecError, match=r"expected crops uint8 RGB \(B, H, W, 3\), got torch"):
        Embedder.load(run_folder, device="cpu")(crops)


@pytest.mark.parametrize("name", [None, 3, ["a.pt", "b.pt"]])
def test_what_is_no_name_of_a_model_is_one_sentence(name):
    with pytest.raises(CheckpointError, match=f"the name of one model, got {type(name).__name__}"):
        Embedder.load(name)  # pyright: ignore[reportArgumentType]


def test_an_unknown_device_is_one_sentence(run_folder):
    with pytest.raises(ValueError, match="device must be auto, cpu or cuda, got 'gpu'"):
        Embedder.load(run_folder, device="gpu")


def test_what_is_stored_beside_embeddings_names_model_input_and_flip(run_folder):
    embedder = Embedder.load(run_folder)
    assert embedder.meta("sum") == {
        "kind": "checkpoint",
        "fingerprint": embedder.fingerprint,
        "input": to_dict(SPEC),
        "flip": "sum",
    }


def test_a_checkpoint_whose_weights_are_of_another_network_is_refused(tmp_path, network):
    config = to_dict(CONFIG)
    config["network"]["embedding_size"] = 9
    checkpoint.save(tmp_path / "a.pt", {"config": config, "network": network.state_dict()})
    checkpoint.save(tmp_path / "b.pt", {"config": to_dict(CONFIG)})
    with pytest.raises(CheckpointError, match=r"a\.pt: its config and its weights do not go together"):
        Embedder.load(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"b\.pt: is no whole checkpoint, it lacks 'network'"):
        Embedder.load(tmp_path / "b.pt")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_checkpoint_whose_weights_are_not_finite_is_refused_by_name(tmp_path, network, value):
    weights = network.state_dict()
    weights["stages.1.down.weight"][0, 0] = value
    checkpoint.save(tmp_path / "a.pt", {"config": to_dict(CONFIG), "network": weights})
    with pytest.raises(
        CheckpointError,
        match=r"a\.pt: its weights are not finite \(stages\.1\.down\.weight\); the training has diverged;",
    ):
        Embedder.load(tmp_path / "a.pt")


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


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("e.txt", "e.txt: must end in .npz, by which other commands know it; name it {folder}/e.npz"),
        ("run", "run: is a folder; name a file, such as {folder}/run/model.npz"),
        ("file/e.npz", "file: is a file; name another folder"),
    ],
)
def test_the_command_refuses_an_impossible_file_before_it_reads_the_model(tmp_path, out, sentence):
    (tmp_path / "run").mkdir()
    (tmp_path / "file").touch()
    arguments = ["embed", "no_model", "no_crops", str(tmp_path / out)]
    refusal = CliRunner().invoke(cli, arguments).exception
    assert isinstance(refusal, PlaceError)
    assert str(refusal) == f"{tmp_path}/{sentence.format(folder=tmp_path)}"


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: there is no such run folder or checkpoint"):
        Embedder.load(tmp_path / "nowhere")


def test_cuda_is_refused_where_there_is_none_and_auto_then_takes_the_cpu(run_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Embedder.load(run_folder, device="auto").device == torch.device("cpu")
    with pytest.raises(ValueError, match="device cuda: torch finds no CUDA device here; take auto or cpu"):
        Embedder.load(run_folder, device="cuda")


def test_a_loaded_network_is_for_inference(run_folder):
    network, config = load_network(run_folder)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert config == CONFIG.network


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


def test_an_onnx_file_that_cuda_was_asked_for_does_not_fall_back_to_the_cpu_in_silence(
    linear_onnx, monkeypatch
):
    path, _ = linear_onnx()
    with pytest.raises(OnnxError, match="the installed onnxruntime has no CUDA"):
        Embedder.load(path, input=SPEC, device="cuda")
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]  # built with CUDA, on a machine without it
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: both)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(OnnxError, match=r"model\.onnx: onnxruntime cannot use CUDA here"),
    ):
        Embedder.load(path, input=SPEC, device="cuda")
    with warnings.catch_warnings(action="ignore"):
        assert Embedder.load(path, input=SPEC, device="auto").runs_on == "cpu"


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_to_an_onnx_file_gives_another_error_than_its_own(tmp_path, damage, data):
    flat = helper.make_node("Flatten", ["crops"], ["out"])
    path = one_node_onnx(tmp_path / "fuzzed.onnx", flat)
    path.write_bytes(damage(data, path.read_bytes()))
    with suppress(OnnxError, SpecError):
        assert len(Embedder.load(path, input=SPEC, device="cpu")(np.zeros((2, 48, 32, 3), np.uint8))) == 2
