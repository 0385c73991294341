from typing import Any

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from sphereface_plus import checkpoint
from sphereface_plus.__main__ import cli
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.config import InputSpec, to_dict
from sphereface_plus.data.crops import CropsError, SpecError, normalise
from sphereface_plus.embedding import Embedder, embed_files, fuse, load_network
from sphereface_plus.errors import UserError
from tests.embedding.small_models import CONFIG, SPEC


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
    with pytest.raises(CheckpointError, match=r"b\.pt: is not a whole checkpoint, it lacks 'network'"):
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


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("e.txt", "e.txt: must end in .npz, by which other commands know it; name it {folder}/e.npz"),
        ("file", "file: is a file; name another folder"),
        ("file/e.npz", "file: is a file; name another folder"),
    ],
)
def test_the_command_refuses_an_impossible_file_before_it_reads_the_model(tmp_path, out, sentence):
    (tmp_path / "file").touch()
    arguments = ["embed", "no_model", "no_crops", str(tmp_path / out)]
    result = CliRunner().invoke(cli, arguments)
    assert result.output == f"error: {tmp_path}/{sentence.format(folder=tmp_path)}\n"


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: there is no such run folder or checkpoint"):
        Embedder.load(tmp_path / "nowhere")


def test_cuda_is_refused_where_there_is_none_and_auto_then_takes_the_cpu(run_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Embedder.load(run_folder, device="auto").device == torch.device("cpu")
    with pytest.raises(UserError, match="device cuda: torch finds no CUDA device here; take auto or cpu"):
        Embedder.load(run_folder, device="cuda")


def test_a_loaded_network_is_for_inference(run_folder):
    network, config = load_network(run_folder)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert config == CONFIG.network
