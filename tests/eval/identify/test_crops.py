"""`python -m eval identify` on crops: forms that they come in, faces on the page, going on after a stop."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from eval import model as embedding


def read(out) -> dict:
    return json.loads((out / "report.json").read_text())


@pytest.fixture
def people(tmp_path):
    """Crops of six people, three each, in identity/image folders."""
    generator = np.random.default_rng(0)
    for person in range(6):
        face = generator.integers(0, 256, (14, 12, 3))
        for number in range(3):
            noisy = np.clip(face + generator.normal(0, 40, face.shape), 0, 255).astype(np.uint8)
            path = tmp_path / ("probes" if number else "gallery") / f"p{person}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), cv2.resize(noisy, (96, 112)))
    return "--gallery", tmp_path / "gallery", "--probes", tmp_path / "probes"


def test_crops_of_folders_lists_and_tars_give_the_same(people, run_eval, tmp_path):
    run_eval("identify", "--model", "pixels", *people, "--out", tmp_path / "a")
    lines = [
        f"probes/{path.parent.name}/{path.name} {path.parent.name}"
        for path in sorted((tmp_path / "probes").rglob("*.png"))
    ]
    (tmp_path / "probes.txt").write_text("\n".join(lines) + "\n")
    run_eval(
        *("identify", "--model", "pixels", "--gallery", tmp_path / "gallery"),
        *("--probes", tmp_path / "probes.txt", "--out", tmp_path / "b"),
    )
    first, second = (read(tmp_path / name)["per_search"] for name in "ab")
    assert first["mate_score"] == second["mate_score"]
    assert first["person"] == second["person"]
    (tmp_path / "probes" / "p1" / "2.png").unlink()
    message = run_eval(
        *("identify", "--model", "pixels", "--gallery", tmp_path / "gallery"),
        *("--probes", tmp_path / "probes.txt", "--out", tmp_path / "c"),
        code=1,
    ).output
    assert (
        "names 1 image of 12 that cannot be found (probes/p1/2.png); put them back, or take them" in message
    )


def test_a_stopped_measurement_goes_on(people, run_eval, tmp_path, monkeypatch):
    arguments = "identify", "--model", "pixels", *people, "--out", tmp_path / "out"
    whole, calls = embedding.embed_photos, []

    def stop_at_the_second(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*given)

    monkeypatch.setattr("eval.identify.run.embed_photos", stop_at_the_second)
    assert "the same command continues where it stopped" in run_eval(*arguments, code=130).output
    monkeypatch.undo()
    run_eval(*arguments)
    assert read(tmp_path / "out")["results"]["mated"] == 12


def test_a_list_of_photos_needs_a_model(people, run_eval, tmp_path):
    output = run_eval("identify", *people, "--out", tmp_path / "out", code=1).output
    assert "holds no embeddings, so that a --model is needed for them" in output


def test_the_page_shows_the_faces_it_speaks_of(people, run_eval, tmp_path):
    arguments = "identify", "--model", "pixels", *people
    run_eval(*arguments, "--distractors", tmp_path / "probes" / "p1", "--out", tmp_path / "c", code=1)
    run_eval(*arguments, "--out", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    shown = sum(
        len(example["photos"]) for kind in read(tmp_path / "out")["examples"].values() for example in kind
    )
    assert page.count("data:image/jpeg") == shown
    assert "data:image/jpeg" not in (tmp_path / "out" / "public" / "report.html").read_text()
