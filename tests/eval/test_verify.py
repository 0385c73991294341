"""From a real model to a report: raw pixels and a checkpoint, on drawn and on real crops."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from data_prep.packing import make_bin
from eval import report_files
from sphereface_plus import checkpoint
from sphereface_plus.config import from_dict, to_dict
from sphereface_plus.data.formats.bins import write_bin
from sphereface_plus.data.formats.embeddings import write_embeddings
from sphereface_plus.data.formats.pairs import read_pairs
from sphereface_plus.networks import build_network


def test_raw_pixels_are_a_model(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    run_eval("verify", "--model", "pixels", "--images", images, "--pairs", pairs, "--out", tmp_path / "out")
    report = report_files.read(tmp_path / "out")
    assert report["results"]["accuracy"] > 0.8
    assert report["model"]["label"] == "raw pixels"
    assert report["model"]["input"]["template"] == "sphereface_112x96"


@pytest.fixture
def crop_bin(crop_pairs, tmp_path):
    """The same crops and pairs as one .bin."""
    images, pairs = crop_pairs
    make_bin(images, pairs, tmp_path / "people.bin")
    return tmp_path / "people.bin"


@pytest.mark.parametrize("arguments", [("verify", "--pairs"), ("lfw", "--protocol", "cosine", "--data")])
def test_a_bin_is_measured_as_its_crops_and_pairs_are(arguments, crop_pairs, crop_bin, run_eval, tmp_path):
    images, pairs = crop_pairs
    run_eval("verify", "--model", "pixels", "--images", images, "--pairs", pairs, "--out", tmp_path / "a")
    run_eval(*arguments, crop_bin, "--model", "pixels", "--out", tmp_path / "b")
    first, second = (report_files.read(tmp_path / name) for name in "ab")
    assert first["per_pair"]["score"] == second["per_pair"]["score"]
    assert "A .bin has no folds; its genuine and its impostor pairs were each" in second["pairs"]["folds_are"]
    assert "Crops of people.bin, used as they are" in second["preparation"]["words"]
    page = (tmp_path / "b" / "report.html").read_text()
    assert page.count("data:image/jpeg") == (tmp_path / "a" / "report.html").read_text().count("data:image")


@pytest.mark.parametrize("protocol", ["cosine", "sphereface", "clcarwin", "insightface"])
def test_a_bin_sorted_by_kind_has_its_lists_accuracy(protocol, crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    lines = sorted(pairs.read_text().splitlines(), key=lambda line: -int(line[-1]))  # genuine pairs first
    listed = tmp_path / "sorted.txt"
    listed.write_text("\n".join(lines) + "\n")
    encoded = [[(images / name).read_bytes() for name in line.split()[:2]] for line in lines]
    write_bin(tmp_path / "sorted.bin", encoded, [line.endswith("1") for line in lines])
    make_bin(images, listed, tmp_path / "mixed.bin")
    numbers, words = {}, {}
    for name, arguments in (
        ("list", (listed, "--images", images)),
        ("sorted", (tmp_path / "sorted.bin",)),
        ("mixed", (tmp_path / "mixed.bin",)),
    ):
        out = tmp_path / name
        run_eval("verify", "--model", "pixels", "--protocol", protocol, "--out", out, "--pairs", *arguments)
        report = report_files.read(out)
        numbers[name] = report["results"]["per_fold"]
        words[name] = report["pairs"]["folds_are"]
    if protocol == "insightface":  # which cuts the order, whatever it holds, and says what comes of it
        assert "10 of them hold one kind of pairs only, as the file is sorted by kind" in words["sorted"]
        assert "in their order, as the protocol does." in words["mixed"]
        assert "one kind" not in words["mixed"]
    else:
        assert numbers["mixed"] == numbers["sorted"] == numbers["list"]
        assert "its genuine and its impostor pairs were each cut into ten stretches" in words["sorted"]


def test_a_fold_of_one_kind_is_refused_by_name(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    lines = [f"{line} {2 - int(line[-1])}" for line in pairs.read_text().splitlines()]
    (tmp_path / "folds.txt").write_text("\n".join(lines) + "\n")
    arguments = ("--images", images, "--pairs", tmp_path / "folds.txt", "--out", tmp_path / "out")
    output = run_eval("verify", "--model", "pixels", *arguments, code=1).output
    assert "folds.txt: fold 1 holds genuine pairs only (2 of the 2 folds hold one kind)" in output


def test_embeddings_of_one_bin_serve_its_copies_and_no_other_bin(crop_pairs, crop_bin, run_eval, tmp_path):
    images, pairs = crop_pairs
    run_eval("verify", "--model", "pixels", "--pairs", crop_bin, "--out", tmp_path / "a")
    stored = ("verify", "--model", tmp_path / "a" / "embeddings", "--out", tmp_path / "b")
    copy = tmp_path / "copy.bin"
    copy.write_bytes(crop_bin.read_bytes())
    run_eval(*stored, "--pairs", copy)
    first, second = (report_files.read(tmp_path / name) for name in "ab")
    assert first["per_pair"]["score"] == second["per_pair"]["score"]

    noise = np.random.default_rng(1).integers(0, 256, (112, 96, 3), dtype=np.uint8)
    cv2.imwrite(str(images / "p0" / "0.png"), noise)
    make_bin(images, pairs, tmp_path / "other.bin")
    stored = (*stored[:-1], tmp_path / "c")
    output = run_eval(*stored, "--pairs", tmp_path / "other.bin", code=1).output
    assert "embeddings: its embeddings are of other crops than those of" in output


def test_crops_of_a_bin_are_not_aligned_and_not_named_twice(crop_pairs, crop_bin, run_eval, tmp_path):
    images, pairs = crop_pairs
    (tmp_path / "square.yaml").write_text("template: arcface_112x112\nheight: 112\nwidth: 112\n")
    square = ("--input", tmp_path / "square.yaml")
    for arguments, message in (
        (("verify", "--pairs", crop_bin, *square), "expected arcface_112x112 crops of 112x112"),
        (("verify", "--pairs", crop_bin, "--images", images), "holds the crops of its pairs itself; drop"),
        (("lfw", "--data", crop_bin, "--pairs", pairs), "holds its pairs itself; drop --pairs and --view"),
        (("lfw", "--data", crop_bin, "--view", 1), "holds its pairs itself; drop --pairs and --view"),
        (("lfw", "--data", tmp_path / "no.bin"), "no.bin: there is no such list of pairs"),
    ):
        output = run_eval(*arguments, "--model", "pixels", "--out", tmp_path / "out", code=1).output
        assert output.startswith("error: ")
        assert message in output
    assert not (tmp_path / "out").exists()


def test_embeddings_of_a_report_measure_the_same_again(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    run_eval("verify", "--model", "pixels", "--images", images, "--pairs", pairs, "--out", tmp_path / "a")
    stored = tmp_path / "a" / "embeddings"
    run_eval("verify", "--model", stored, "--pairs", pairs, "--out", tmp_path / "b")
    first, second = (report_files.read(tmp_path / name) for name in "ab")
    assert first["results"] == second["results"]
    assert first["per_pair"] == second["per_pair"]
    assert second["model"]["provenance"] == {"from model": "pixels"}


def test_a_checkpoint_is_reported_with_recipe_seed_and_step(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    config = from_dict(
        {
            "name": "tiny",
            "seed": 3,
            "data": {"path": "x"},
            "network": {"name": "sphereface4", "embedding_size": 16},
            "loss": {"kind": "softmax"},
            "optimizer": {"learning_rate": 0.1},
            "train": {"steps": 10, "batch_size": 2, "precision": "bf16"},
        }
    )
    network = build_network(config.network)
    path = tmp_path / "runs" / "tiny" / "checkpoints" / "last.pt"
    payload = {
        "network": network.state_dict(),
        "config": to_dict(config),
        "step": 10,
        "identities": ["a", "b"],
        "processes": "2 x some GPU, torch 2.15.0",
    }
    checkpoint.save(path, payload)
    run = path.parent.parent
    run_eval("verify", "--model", run, "--images", images, "--pairs", pairs, "--out", tmp_path / "out")
    model = report_files.read(tmp_path / "out")["model"]
    assert model["provenance"] == {
        **{"recipe": "tiny", "seed": 3, "step": 10, "identities": 2},
        **{"trained in": "bf16", "on": "2 x some GPU, torch 2.15.0"},
    }
    assert (model["label"], model["kind"]) == ("tiny", "checkpoint")
    assert model["sha256"] == checkpoint.sha256(path)


@pytest.mark.real_data
def test_raw_pixels_tell_the_people_of_orl_apart_far_above_chance(shared_data, run_eval, tmp_path):
    pairs, spec = tmp_path / "orl.txt", tmp_path / "orl.yaml"
    genuine = [f"s{s}/{k}.pgm s{s}/{k + 1}.pgm 1" for s in range(1, 41) for k in range(1, 10, 2)]
    impostor = [f"s{s}/{k}.pgm s{s % 40 + 1}/{k + 3}.pgm 0" for s in range(1, 41) for k in range(1, 6)]
    pairs.write_text("\n".join(genuine + impostor) + "\n")
    spec.write_text("template: orl\nheight: 112\nwidth: 92\n")
    arguments = (
        "--input",
        spec,
        "--images",
        shared_data / "orl",
        "--pairs",
        pairs,
        "--protocol",
        "sphereface",
    )
    run_eval("verify", "--model", "pixels", *arguments, "--out", tmp_path / "out")
    numbers = report_files.read(tmp_path / "out")["results"]
    assert 0.82 < numbers["accuracy"] < 0.92  # 87.25 % on 2026-11-23
    assert 0.92 < numbers["auc"] < 0.97


@pytest.mark.slow
@pytest.mark.real_data
def test_raw_photos_are_aligned_first_and_once(shared_data, repository, run_eval, tmp_path):
    lfw = read_pairs(shared_data / "lfw" / "pairs.txt")
    chosen = [*np.flatnonzero(lfw.genuine)[::300], *np.flatnonzero(~lfw.genuine)[::300]]
    pairs = tmp_path / "pairs.txt"
    lines = [f"{lfw.first[k]}.jpg {lfw.second[k]}.jpg {int(lfw.genuine[k])}" for k in chosen]
    pairs.write_text("\n".join(lines) + "\n")
    arguments = ["verify", "--pairs", pairs, "--images", shared_data / "lfw", "--workers", 1]
    arguments += ["--model", shared_data / "weights" / "MobileFaceNet.onnx", "--crops", tmp_path / "crops"]
    arguments += ["--input", repository / "configs" / "input" / "mobilefacenet.yaml"]
    run_eval(*arguments, "--out", tmp_path / "first")
    report = report_files.read(tmp_path / "first")
    assert report["results"]["accuracy"] >= 0.95
    assert report["results"]["auc"] == 1
    preparation = report["preparation"]
    assert sum(preparation["methods"].values()) == report["pairs"]["photos"] == 40
    assert preparation["settings"]["template"] == "arcface_112x112"
    assert preparation["settings"]["fallback"] == "centre"
    assert str(shared_data) not in str(preparation)
    shutil.rmtree(tmp_path / "first" / "embeddings")
    crops = {path: path.stat().st_mtime_ns for path in (tmp_path / "crops").rglob("*.png")}
    run_eval(*arguments, "--out", tmp_path / "second")
    assert crops == {path: path.stat().st_mtime_ns for path in (tmp_path / "crops").rglob("*.png")}
    assert report_files.read(tmp_path / "second")["per_pair"] == report["per_pair"]


@pytest.mark.slow
@pytest.mark.real_data
def test_photos_without_a_face_stay_in_and_are_listed(shared_data, run_eval, tmp_path):
    photos, names = tmp_path / "photos", []
    for number, path in enumerate(sorted((shared_data / "lfw" / "images").glob("A*/*.jpg"))[:23]):
        photos.mkdir(exist_ok=True)
        names.append(f"{number}.jpg")
        (photos / names[-1]).write_bytes(path.read_bytes())
    names.append("wall.jpg")
    cv2.imwrite(str(photos / "wall.jpg"), np.full((250, 250, 3), 128, np.uint8))
    pairs = tmp_path / "pairs.txt"
    lines = [f"{names[k]} {names[(k + 1 + k % 2) % 24]} {k % 2}" for k in range(24)]
    pairs.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    run_eval(
        "verify", "--model", "pixels", "--images", photos, "--pairs", pairs, "--workers", 1, "--out", out
    )
    preparation = report_files.read(out)["preparation"]
    assert {"photo": "wall", "method": "centre"} in preparation["not_detected"]
    assert "wall</bdi>: centre" in (out / "report.html").read_text()


def test_a_report_of_another_model_or_of_somebody_elses_is_not_overwritten(crop_pairs, run_eval, tmp_path):
    images, pairs = crop_pairs
    keys, out = read_pairs(pairs).photos, tmp_path / "out"

    def measure(seed: int, **options):
        embeddings = np.random.default_rng(seed).normal(size=(len(keys), 8)).astype(np.float32)
        write_embeddings(tmp_path / "m.npz", keys, embeddings, {})
        return run_eval("verify", "--model", tmp_path / "m.npz", "--pairs", pairs, "--out", out, **options)

    foreign = out / "public" / "report.html"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("foreign")
    assert "holds public/report.html, and nothing says" in measure(0, code=1).output
    assert foreign.read_text() == "foreign"
    foreign.unlink()
    measure(0)
    first = report_files.read(out)["results"]
    measure(0)  # the same again
    assert "but under the same names: the content of model is another now" in measure(1, code=1).output
    assert report_files.read(out)["results"] == first
    assert (
        "holds folders that are not results, p0, p1, p10, ..."
        in run_eval(
            *("verify", "--model", "pixels", "--pairs", pairs, "--images", images, "--out", images), code=1
        ).output
    )
