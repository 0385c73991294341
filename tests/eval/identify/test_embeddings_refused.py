"""Embeddings that cannot be searched, or not with each other, are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from tests.eval.identify.directions import NUMBERS, unit


@pytest.mark.parametrize(
    ("gallery", "probes", "message"),
    [
        ({"Ann/1": unit(0)}, {"Ann/2": np.ones(3, np.float32)}, "has embeddings of 16 numbers, "),
        ({"Ann/1": 0 * unit(0)}, {"Ann/2": unit(0)}, "1 of 2 embeddings have no direction, they are zero or"),
        ({"Ann/1": unit(0)}, {"Ben/2": unit(1)}, "holds nobody of "),
        ({"Ann/1": unit(0)}, {"Ann/2": unit(0)}, "all its images are in the gallery, too; give others"),
        (
            {"1": unit(0)},
            {"Ann/2": unit(0)},
            "1 key of 2 do not say whose they are (1); keys must be person/",
        ),
    ],
)
def test_embeddings_that_do_not_go_together_are_refused(gallery, probes, message, store, run_eval, tmp_path):
    gallery = gallery | {"Zoe/1": unit(5)}
    arguments = "--gallery", store("gallery", gallery), "--probes", store("probes", probes)
    assert message in run_eval("identify", *arguments, "--out", tmp_path / "out", code=1).output


def test_rows_that_are_not_finite_are_named(tmp_path, store, run_eval):
    rows = np.eye(5, NUMBERS, dtype=np.float32)
    rows[1:5, 0] = np.nan
    keys = np.array([f"Ann/{number}" for number in range(5)])
    np.savez(tmp_path / "broken.npz", keys=keys, embeddings=rows)
    arguments = (
        "--gallery",
        store("gallery", {"Ann/9": unit(0), "Ben/9": unit(1)}),
        "--probes",
        tmp_path / "broken.npz",
    )
    output = run_eval("identify", *arguments, "--out", tmp_path / "out", code=1).output
    assert "numbers, and 4 of 5 are not (Ann/1, Ann/2, Ann/3, ...)" in output


def test_embeddings_of_two_models_are_refused(store, run_eval, tmp_path):
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1)}, fingerprint="a" * 64)
    probes = store("probes", {"Ann/2": unit(0)}, fingerprint="b" * 64)
    arguments = "--gallery", gallery, "--probes", probes, "--out", tmp_path / "out"
    message = "gallery.npz has embeddings of the model aaaaaaaaaaaa... (sha256), "
    assert message in run_eval("identify", *arguments, code=1).output


def test_a_mixed_flip_is_refused(store, run_eval, tmp_path):
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1)}, flip="sum")
    probes = store("probes", {"Ann/2": unit(0)}, flip="none")
    arguments = "--gallery", gallery, "--probes", probes, "--out", tmp_path / "out"
    message = "gallery.npz: holds embeddings of flip fusion sum"
    assert message in run_eval("identify", *arguments, code=1).output
