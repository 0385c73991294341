"""MODEL as commands take it: opened with its spec, recorded, and embedding in chunks."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sphereface_plus.commands.model_argument import CHUNK, embed_in_chunks, model_record, open_model
from sphereface_plus.config import ConfigError
from sphereface_plus.embedding import Embedder, embed_files


@pytest.fixture
def spec(tmp_path) -> Path:
    (tmp_path / "spec.yaml").write_text("template: small_8x6\nheight: 8\nwidth: 6\n")
    return tmp_path / "spec.yaml"


def test_a_model_is_opened_with_the_input_spec_of_a_file(spec, tmp_path):
    opened = open_model("pixels", spec, "cpu")
    assert (opened.kind, opened.input.template, opened.input.height) == ("pixels", "small_8x6", 8)
    assert open_model("pixels").input == Embedder.load("pixels").input
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        open_model("pixels", tmp_path / "other.yaml")


def test_a_model_that_says_nothing_of_itself_is_called_by_its_name(spec):
    record = model_record(open_model("pixels", spec, "cpu"), "pixels", "sum")
    assert record.pop("input")["width"] == 6
    assert record == {
        "name": "pixels",
        "label": "raw pixels",
        "kind": "pixels",
        "sha256": "pixels",
        "flip": "sum",
        "provenance": {},
    }


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 3])
def test_chunks_are_the_embeddings_of_all_crops_in_their_order(spec, tmp_path, count):
    generator, crops = np.random.default_rng(0), []
    for number in range(count):
        crops.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(crops[-1]), generator.integers(0, 256, (8, 6, 3), dtype=np.uint8))
    embedder = open_model("pixels", spec, "cpu")
    chunks = list(embed_in_chunks(embedder, crops, "concat", done=5))
    assert [len(chunk) for chunk in chunks] == [n for n in (min(CHUNK, count), count - CHUNK) if n > 0]
    if count:
        np.testing.assert_array_equal(np.concatenate(chunks), embed_files(embedder, crops, flip="concat"))
