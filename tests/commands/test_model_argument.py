"""MODEL as commands take it: opened with its spec, recorded, and embedding with it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from sphereface_plus import checkpoint
from sphereface_plus.commands import model_argument
from sphereface_plus.commands.model_argument import embed_crops, model_record, open_model
from sphereface_plus.config import ConfigError, to_dict
from sphereface_plus.embedding import Embedder, embed_files
from sphereface_plus.networks import build_network
from sphereface_plus.precision import Choice
from tests.embedding.small_models import CONFIG


@pytest.fixture
def run_folder(tmp_path) -> Path:
    payload = {"config": to_dict(CONFIG), "network": build_network(CONFIG.network).state_dict()}
    checkpoint.save(tmp_path / "run" / "checkpoints" / "last.pt", payload)
    return tmp_path / "run"


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
        "precision": "fp32",
        "provenance": {},
    }


def test_embeddings_in_memory_are_those_of_embed_files(spec, tmp_path):
    generator, crops = np.random.default_rng(0), []
    for number in range(67):
        crops.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(crops[-1]), generator.integers(0, 256, (8, 6, 3), dtype=np.uint8))
    embedder = open_model("pixels", spec, "cpu")
    rows = embed_crops(embedder, crops, "concat")
    np.testing.assert_array_equal(rows, embed_files(embedder, crops, flip="concat"))


def test_what_is_fast_is_taken_by_networks_of_torch_alone(monkeypatch, spec, run_folder):
    monkeypatch.setattr(model_argument, "fastest", lambda device: Choice("bf16", "for the test"))
    exact, short = open_model(run_folder), open_model(run_folder, precision="auto")
    assert (exact.precision, short.precision) == ("fp32", "bf16")
    assert open_model("pixels", spec, precision="auto").precision == "fp32"
    assert model_record(short, "runs/mine", "none")["precision"] == "bf16"
    assert "precision" not in exact.meta("none")
    assert short.meta("none")["precision"] == "bf16"
    crops = np.random.default_rng(0).integers(0, 256, (4, 48, 32, 3), dtype=np.uint8)
    rows, rounded = exact.embed(crops), short.embed(crops)
    assert rounded.dtype == np.float32
    assert not np.array_equal(rows, rounded)
    np.testing.assert_allclose(rounded, rows, atol=0.05 * np.abs(rows).max())
