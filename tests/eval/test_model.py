"""Embedding each photo once, going on after an interruption, and taking embeddings from a file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from eval import model
from eval.errors import PhotosError
from eval.photos import Images
from sphereface_plus.config import InputSpec
from sphereface_plus.data.formats.embedding_store import BLOCK, ROWS, open_embeddings
from sphereface_plus.data.formats.embeddings import EmbeddingsError, write_embeddings
from sphereface_plus.embedding import Embedder
from sphereface_plus.processes import Processes

SPEC = InputSpec(height=8, width=6)


@pytest.fixture
def crops(tmp_path) -> Images:
    """More crops than a block holds, of 8 x 6 pixels."""
    generator, files = np.random.default_rng(0), {}
    for number in range(BLOCK + 40):
        path = tmp_path / f"{number:03d}.png"
        cv2.imwrite(str(path), generator.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        files[path.stem] = path
    return Images(tmp_path, files)


@pytest.fixture
def counting():
    """An embedder that counts the crops it was given, and is interrupted after `limit` of them."""

    def make(limit: int = 10**9, fingerprint: str = "model") -> tuple[Embedder, list[int]]:
        seen = []

        def network(batch: torch.Tensor) -> torch.Tensor:
            if sum(seen) >= limit:
                raise KeyboardInterrupt
            seen.append(len(batch))
            return batch.flatten(1)[:, :12]

        return Embedder("onnx", SPEC, fingerprint, network, torch.device("cpu")), seen

    return make


def computed(*arguments) -> np.ndarray:
    return model.computed_embeddings(model.ModelAsked("model"), *arguments)[1]


def test_embeddings_come_in_the_order_asked_for_and_are_stored(crops, counting, tmp_path):
    embedder, seen = counting()
    keys = ["007", "003", "150"]
    result = computed(embedder, crops, keys, "none", tmp_path / "e")
    assert sum(seen) == 3
    stored = open_embeddings(tmp_path / "e")
    assert stored.keys == keys
    np.testing.assert_array_equal(stored.rows, result)
    assert (stored.meta["flip"], stored.meta["fingerprint"]) == ("none", "model")
    reverse = computed(embedder, crops, keys[::-1], "none", tmp_path / "e")
    assert sum(seen) == 3
    np.testing.assert_array_equal(reverse, result[::-1])


def test_a_process_that_finds_another_model_refuses_to_help(counting):
    class Other(Processes):
        def mains(self, value):
            return "another"

    message = "the model: is another model for process 1 than for process 0"
    with pytest.raises(PhotosError, match=message):
        model._of_all(counting()[0], Other(1, 2, torch.device("cpu")))


def test_an_interrupted_run_goes_on_where_it_stopped(crops, counting, tmp_path):
    keys, store = list(crops.files), tmp_path / "e"
    stopped, seen = counting(limit=BLOCK)
    with pytest.raises(KeyboardInterrupt):
        computed(stopped, crops, keys, "none", store)
    assert sum(seen) == BLOCK
    again, seen = counting()
    result = computed(again, crops, keys, "none", store)
    assert sum(seen) == 40
    whole = computed(counting()[0], crops, keys, "none", tmp_path / "whole")
    np.testing.assert_array_equal(result, whole)


@pytest.mark.parametrize(
    ("change", "expected"),
    [("model", BLOCK + 40), ("flip", 2 * (BLOCK + 40)), ("crop", BLOCK), ("damage", 40), ("keys", 7)],
)
def test_stored_embeddings_of_anything_else_are_made_again(change, expected, crops, counting, tmp_path):
    keys, store = list(crops.files), tmp_path / "e"
    computed(counting()[0], crops, keys, "none", store)
    if change == "crop":
        cv2.imwrite(str(crops.files["000"]), np.zeros((8, 6, 3), np.uint8))
    if change == "damage":
        (store / ROWS).write_bytes((store / ROWS).read_bytes()[:-1000])
    if change == "keys":
        keys = keys[:7]
    embedder, seen = counting(fingerprint="other" if change == "model" else "model")
    computed(embedder, crops, keys, "sum" if change == "flip" else "none", store)
    assert sum(seen) == expected


def test_an_embedding_that_is_not_finite_names_the_model_and_its_crop(crops, tmp_path):
    def network(batch):
        rows = batch.flatten(1)[:, :4].clone()
        rows[2] = torch.nan
        return rows

    broken = Embedder("onnx", SPEC, "model", network, torch.device("cpu"), "some.onnx")
    with pytest.raises(EmbeddingsError, match=r"^some\.onnx: its embedding of \S*/002\.png is not finite"):
        computed(broken, crops, list(crops.files), "none", tmp_path / "e")


def test_a_file_of_embeddings_says_which_model_it_came_from(tmp_path):
    path = tmp_path / "sphereface20.npz"
    meta = {"fingerprint": "abc", "flip": "sum", "input": {"height": 112}}
    write_embeddings(path, ["a", "b", "c"], np.eye(3), meta)
    rows, record = model.stored_embeddings(path, ["c", "a"], "sum")
    np.testing.assert_array_equal(rows, np.eye(3)[[2, 0]])
    assert (record["label"], record["flip"], record["input"]) == ("sphereface20", "sum", {"height": 112})
    assert record["provenance"] == {"from model": "abc"}


def test_embeddings_of_the_wrong_fusion_or_photos_are_refused(tmp_path):
    path = Path(tmp_path / "e.npz")
    write_embeddings(path, ["a", "b"], np.eye(2), {"flip": "none"})
    message = (
        "flip fusion none, and concat is asked for; make them again with --flip concat, or give --flip none"
    )
    with pytest.raises(EmbeddingsError, match=message):
        model.stored_embeddings(path, ["a"], "concat")
    message = "flip fusion none, and the protocol cosine needs concat; .*, or choose another protocol"
    with pytest.raises(EmbeddingsError, match=message):
        model.stored_embeddings(path, ["a"], "concat", protocol="cosine")
    with pytest.raises(
        EmbeddingsError, match=r"no embedding of 4 of the 5 photos asked for \(w, x, y, \.\.\.\);"
    ):
        model.stored_embeddings(path, ["a", "w", "x", "y", "z"], "none")
