"""`python -m eval gan` on tiny runs: what it measures, that it goes on, and what it refuses."""

import json
import re
import shutil
import weakref

import numpy as np
import pytest
import torch

from eval.gan import generators, sources
from eval.gan import run as running
from eval.gan.errors import GeneratorError
from eval.gan.extractors import open_extractor
from eval.gan.generators import open_generator
from eval.gan.measures import class_score, frechet_distance
from sphereface_plus import checkpoint
from sphereface_plus.data.image_sets import open_images
from sphereface_plus.data.noise import measured_noise

CPU = torch.device("cpu")
FRECHET = "Frechet distance (tiny_classifier)"


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def test_scores_are_those_of_the_features_of_generated_images(gan, generator, classifier, cifar, tmp_path):
    place = generator("one")
    said = gan(place)
    report = report_of(tmp_path / "out")
    one = report["runs"][0]["scores"]["tiny_classifier"]
    extractor, made = open_extractor(classifier, CPU), open_generator(place, CPU)
    features, logits = extractor(made.opened()(measured_noise(0, 0, 60, 5)))
    images = open_images("cifar10", cifar, "train").images
    real, _ = extractor(images)
    assert one["frechet_distance"]["value"] == pytest.approx(frechet_distance(features, real).value, rel=1e-4)
    assert one["class_score"]["value"] == pytest.approx(class_score(logits).value)
    assert (one["images"], one["references"], one["class_score"]["splits"]) == (60, 100, 10)
    assert f"    {FRECHET}: {one['frechet_distance']['value']:.4g}, standard error " in said
    assert "noise of seed 0; reference: 100 images of cifar10 (train)\n" in said


def test_a_report_says_which_extractor_and_which_images(gan, generator, classifier, tmp_path):
    gan(generator("one"), "--references", 50)
    report = report_of(tmp_path / "out")
    extractor = report["extractors"][0]
    assert extractor["sha256"] == checkpoint.sha256(classifier / "checkpoints" / "last.pt")
    assert (extractor["kind"], extractor["resize"], extractor["dimensions"]) == ("classifier", "none", 8)
    assert extractor["names"]["frechet_distance"] == FRECHET
    assert not re.search("inception|FID|KID", json.dumps(report["extractors"]), re.IGNORECASE)
    assert {key: report["reference"][key] for key in ("set", "split", "images", "of")} == {
        "set": "cifar10",
        "split": "train",
        "images": 50,
        "of": 100,
    }
    run = report["runs"][0]
    assert (run["seed"], run["step"], run["generator_updates"], run["averaged"]) == (4, 6, 3, True)


def test_the_batch_size_changes_no_score(gan, generator, tmp_path):
    scores = []
    for size in (1, 7, 100):
        gan(generator("one"), "--batch-size", size, out=tmp_path / str(size))
        scores.append(report_of(tmp_path / str(size))["runs"][0]["scores"]["tiny_classifier"])
    for other in scores[1:]:  # a pixel at half a level may round to the other
        for name in ("class_score", "frechet_distance", "kernel_distance"):
            assert other[name]["value"] == pytest.approx(scores[0][name]["value"], rel=1e-4)
        assert other["precision_recall"] == scores[0]["precision_recall"]


def test_more_samples_begin_with_the_same_images(generator, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK", 20)
    made = open_generator(generator("one"), CPU)
    few, many = (sources.generated(made, count, 3, 8) for count in (30, 50))
    assert torch.equal(few.block(1, 10), many.block(1, 20)[:10])
    assert not torch.equal(few.block(0, 10), few.block(1, 10))


def test_a_stopped_measurement_goes_on_where_it_stopped(gan, generator, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK", 20)
    gan(generator("one"), out=tmp_path / "whole")
    features_of, calls = sources.features_of, []

    def stopped(source, extractor, *more):
        if source.name.endswith("one"):
            calls.append(source)
            block = source.block

            def until(number, count):
                if number == 2:
                    raise KeyboardInterrupt
                return block(number, count)

            source = sources.Source(source.name, source.key, source.count, until)
        return features_of(source, extractor, *more)

    monkeypatch.setattr(running, "features_of", stopped)
    said = gan(generator("one"), out=tmp_path / "parts", code=130)
    assert "stopped: the same command continues where it stopped" in said
    assert len(calls) == 1
    made = []

    def counted(source, extractor, *more):
        def block(number, count):
            if count > 1:  # one is made to see of which size they are
                made.append((source.name, number))
            return source.block(number, count)

        return features_of(sources.Source(source.name, source.key, source.count, block), extractor, *more)

    monkeypatch.setattr(running, "features_of", counted)
    gan(generator("one"), out=tmp_path / "parts")
    assert made == [(str(generator("one")), 2)]
    whole, parts = (report_of(tmp_path / name)["runs"][0]["scores"] for name in ("whole", "parts"))
    assert whole == parts


def test_real_images_are_in_another_order_than_their_classes(cifar):
    images = open_images("cifar10", cifar, "train")
    source = sources.real(images, "real", None)
    block = source.block(0, 100)
    assert not torch.equal(block, images.images)
    pixels = [np.sort(part.numpy().reshape(100, -1), axis=0) for part in (block, images.images)]
    assert np.array_equal(*pixels)


def test_a_kernel_distance_says_how_many_images_its_blocks_hold(gan, generator, tmp_path):
    said = gan(generator("one"), "--references", 37)
    found = report_of(tmp_path / "out")["runs"][0]["scores"]["tiny_classifier"]["kernel_distance"]
    assert (found["images"], found["block"]) == (36, 3)  # of 60 generated and 37 real ones, 12 blocks of 3
    assert " (of 36 images each, in blocks of 3)\n" in said
    page = (tmp_path / "out" / "report.html").read_text()
    assert "60 images of each run, 37 real ones; kernel distance of 36 each, in blocks of 3; p" in page


def test_without_an_extractor_it_says_which_file_there_is_and_where_to_put_it(gan, generator):
    said = gan(generator("one"), extractor=None, code=1)
    assert said.startswith("error: --extractor FILE: is not given, and scores need a feature space; ")
    for known in ("weights-inception-2015-12-05-6726825d.pth, sha256 6726825d", "mobilenet_v2-b0353104.pth"):
        assert known in said


def test_features_of_too_few_images_are_refused_by_name_and_the_rest_is_measured(gan, generator, tmp_path):
    said = gan(generator("one"), samples=8)
    assert (
        "    warning: a Frechet distance in 8 dimensions needs more than 8 generated images, got 8\n" in said
    )
    scores = report_of(tmp_path / "out")["runs"][0]["scores"]["tiny_classifier"]
    assert scores["frechet_distance"] is None
    assert scores["precision_recall"] is not None


def test_a_distance_of_few_images_a_dimension_is_marked(gan, generator, tmp_path):
    words = (
        "a Frechet distance of 39 images in 8 dimensions, fewer than 5 a dimension, is too large by its bias"
    )
    said = gan(generator("one"), samples=39, out=tmp_path / "few")
    assert f"    note: {words}, and its interval too wide\n" in said
    found = report_of(tmp_path / "few")["runs"][0]["scores"]["tiny_classifier"]
    assert found["marked"]["frechet_distance"] == f"{words}, and its interval too wide"
    page = (tmp_path / "few" / "report.html").read_text()
    assert f"<strong>Marked:</strong> {words}, and its interval too wide.</p>" in page
    assert page.count(", marked</small>") == 2  # and the class score
    gan(generator("one"), samples=40, out=tmp_path / "enough")
    found = report_of(tmp_path / "enough")["runs"][0]["scores"]["tiny_classifier"]
    assert "frechet_distance" not in found["marked"]


def test_a_class_score_of_few_images_a_class_is_marked(gan, generator, tmp_path):
    words = (
        "a class score of splits of 6 images in 10 classes, fewer than 10 a class, is too small by its bias"
    )
    said = gan(generator("one"))
    assert f"    note: {words}; only those of equal splits compare\n" in said
    assert f"<strong>Marked:</strong> {words}; only" in (tmp_path / "out" / "report.html").read_text()


def test_real_images_get_a_class_score_of_splits_as_large_as_the_samples(
    gan, generator, classifier, cifar, tmp_path
):
    said = gan(generator("one"))
    found = report_of(tmp_path / "out")["extractors"][0]["real_class_score"]
    images = sources.real(open_images("cifar10", cifar, "train"), "real", None).block(0, 100)
    _, logits = open_extractor(classifier, CPU)(images)
    assert found["value"] == pytest.approx(class_score(logits[:96], 16).value)  # 60 samples: 10 of 6
    assert found["splits"] == 16
    assert "  real images: class score" in said
    assert "(sd of 16 splits)" in said


def test_what_cannot_be_measured_is_refused_in_a_sentence(gan, generator, classifier, cifar, tmp_path):
    one = generator("one")
    assert "of a training of a generator (task: gan), which is measured here, but of task: image" in gan(
        classifier, code=1
    )
    said = gan(one, extractor=one, code=1)
    assert "is of task: gan; an extractor is a classifier of ours" in said
    for known in ("weights-inception-2015-12-05-6726825d.pth, sha256 6726825d", "mobilenet_v2-b0353104.pth"):
        assert known in said
    assert "missing.pth: there is no such file; an extractor is " in gan(
        one, extractor=tmp_path / "missing.pth", code=1
    )
    other = tmp_path / "mobilenet_v2-b0353104.pth"
    other.write_bytes(b"another")
    assert "is not the file of this name, whose sha256 is b0353104" in gan(one, extractor=other, code=1)
    assert "101 reference images are asked for, it has 100" in gan(one, "--references", 101, code=1)


def test_a_broken_generator_is_refused(gan, generator, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(generator("one"), broken)
    file = broken / "checkpoints" / "last.pt"
    payload = checkpoint.load(file)
    payload["average"]["image.bias"][0] = float("nan")
    checkpoint.save(file, payload)
    assert "last.pt: its images are not finite; the run has diverged, take an earlier checkpoint" in gan(
        broken, code=1
    )


def test_one_network_at_a_time_is_in_memory(gan, generator, monkeypatch):
    build, built = generators._network, []

    def counted(*arguments):
        assert [network for network in built if network() is not None] == []
        network = build(*arguments)
        built.append(weakref.ref(network))
        return network

    monkeypatch.setattr(generators, "_network", counted)
    gan(*(generator(f"plain{seed}", seed=seed, **{"mhe.weight": 0.0}) for seed in (4, 5)))
    assert len(built) == 4  # each is tried before anything is measured


def test_a_checkpoint_that_is_written_anew_while_it_is_measured_is_refused(generator, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(generator("one"), run)
    opened, file = open_generator(run, CPU), run / "checkpoints" / "last.pt"
    shutil.copy(run / "checkpoints" / "step_00000004.pt", file)
    with pytest.raises(GeneratorError, match="was written anew while it was measured"):
        opened.opened()
