"""The page of `python -m eval gan`, of runs that were trained: what is on it, and what is not published."""

import json
import re

import numpy as np
import pytest
import torch

from eval.gan.command import lines
from eval.gan.generators import open_generator
from eval.gan.history import grids_over_time, log_of, singular_values
from eval.gan.page import write
from sphereface_plus import checkpoint
from sphereface_plus.training.samples import GAP


@pytest.fixture(scope="module")
def runs(generator):
    return [
        generator(f"{name}{seed}", seed=seed, **{"mhe.weight": weight})
        for name, weight in (("plain", 0.0), ("mhe", 1.0))
        for seed in (4, 5)
    ]


def test_a_page_shows_each_arm_side_by_side_with_its_training(gan, runs, tmp_path):
    said = gan(*runs)
    page = (tmp_path / "out" / "report.html").read_text()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [run["label"] for run in report["runs"]] == [
        f"MHE {weight}, seed {seed}" for weight in (0, 1) for seed in (4, 5)
    ]
    assert page.count('alt="Generated images of MHE') == 2  # the first of each arm
    assert "Of 4 runs, the first of each arm." in page
    assert page.count("<td>4, 5</td>") == 2  # the table of arms
    for run in report["runs"]:
        score = run["scores"]["tiny_classifier"]["class_score"]
        assert f"<td>{score['value']:.3f} ± {score['sd']:.3f}<small>{score['interval'][0]:.3f} to " in page
    difference = report["arms"]["tiny_classifier"][1]["frechet_distance"]["difference"]
    one, two, three, four = (
        run["scores"]["tiny_classifier"]["frechet_distance"]["value"] for run in report["runs"]
    )
    assert difference["mean"] == pytest.approx((three - one + four - two) / 2)
    assert "  MHE 1, minus the first arm, paired by seed\n    class score (tiny_classifier): " in said
    assert f"    Frechet distance (tiny_classifier): {difference['mean']:+.3g} (95 % over seeds " in said
    assert page.count('alt="Images at step 4"') == page.count('alt="Images at step 6"') == 2
    assert page.count('alt="Real image"') == 2 * 6 * 2 * 4
    for caption in ("Both losses.", "Half-space energy", "Largest singular value", "All singular values"):
        assert page.count(f"<figcaption>{caption}") == 2
    words = page.replace("The formulas of inception score, FID and KID on other features", "")
    words = re.sub(r"data:[^\"]+|<code>[^<]+", "", words)
    assert not re.search(r"inception|FID|KID", words)
    assert f"report: {tmp_path / 'out' / 'report.html'}\n" in said


def test_one_arm_of_two_seeds_has_its_mean_and_sd_on_the_page_and_on_the_terminal(report_of_two, tmp_path):
    report = report_of_two
    write(report, [], tmp_path / "one")
    page = (tmp_path / "one" / "report.html").read_text()
    assert "<caption>Arms: mean ± sd over seeds</caption>" in page
    values = [run["scores"]["tiny_classifier"]["frechet_distance"]["value"] for run in report["runs"]]
    spread = f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g}"
    assert f"<td>{spread}</td>" in page
    said = lines(report)
    assert f"  {report['runs'][0]['recipe']}, mean ± sd over seeds 4, 5" in said
    assert f"    Frechet distance (tiny_classifier): {spread}" in said
    assert not any("minus the first arm" in line for line in said)


def test_what_one_run_alone_misses_is_said_of_it(report_of_two, tmp_path):
    report = report_of_two
    report["runs"][1]["scores"]["tiny_classifier"]["refused"] = {"frechet_distance": "too few for B"}
    write(report, [], tmp_path / "one")
    page = (tmp_path / "one" / "report.html").read_text()
    assert "<strong><bdi>tiny, seed 5</bdi>:</strong> not measured: too few for B.</p>" in page
    report["runs"][0]["scores"]["tiny_classifier"]["refused"] = {"kernel_distance": "too few for B"}
    write(report, [], tmp_path / "both")
    assert ">Not measured: too few for B.</p>" in (tmp_path / "both" / "report.html").read_text()


def test_arms_in_inceptions_features_have_the_names_of_the_literature(report_of_two, tmp_path):
    report = report_of_two
    report["extractors"][0]["kind"] = "inception"
    write(report, [], tmp_path / "other")
    page = (tmp_path / "other" / "report.html").read_text()
    for head in ("Inception score", "FID", "KID"):
        assert page.count(f'<th scope="col">{head}</th>') == 2
    assert "Frechet distance</th>" not in page


@pytest.fixture
def report_of_two(text_of_two):
    return json.loads(text_of_two)


@pytest.fixture(scope="module")
def text_of_two(measure, runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("two") / "out"
    measure(*runs[:2], out=out)
    return (out / "report.json").read_text()


def test_what_is_published_has_no_path_and_no_real_image(gan, generator, cifar, tmp_path):
    gan(generator("one"))
    for name in ("report.html", "report.json"):
        text = (tmp_path / "out" / "public" / name).read_text()
        assert str(tmp_path) not in text
        assert str(cifar.parent) not in text
        assert 'alt="Real image"' not in text
    assert "Nearest real images" in (tmp_path / "out" / "report.html").read_text()


def test_singular_values_are_those_of_the_weights_at_each_checkpoint(generator):
    run = generator("one")
    found = singular_values(open_generator(run, torch.device("cpu")))
    assert [at.step for at in found] == [4, 6]
    state = checkpoint.load(run / "checkpoints" / "step_00000004.pt")["discriminator"]
    weight = state["convolutions.0.parametrizations.weight.original"].numpy()
    expected = np.linalg.svd(weight.reshape(len(weight), -1), compute_uv=False)
    assert found[0].of_layer["convolutions_0"] == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_checkpoint_shows_what_was_before_it(generator):
    earlier = open_generator(generator("one") / "checkpoints" / "step_00000004.pt", torch.device("cpu"))
    assert [at.step for at in singular_values(earlier)] == [4]
    assert [line["step"] for line in log_of(earlier)][-1] <= 4
    ((step, picture),) = grids_over_time(earlier)
    assert (step, picture.shape) == (4, (GAP + 4 * (32 + GAP), GAP + 4 * (32 + GAP), 3))


def test_a_checkpoint_alone_is_measured_without_its_training(gan, generator, tmp_path):
    alone = tmp_path / "alone.pt"
    alone.write_bytes((generator("one") / "checkpoints" / "last.pt").read_bytes())
    gan(alone)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Both losses." not in page
    assert "All singular values" in page
    assert "Through training" not in page


@pytest.mark.browser
def test_a_page_opens_without_a_complaint(gan, generator, tmp_path, open_page):
    gan(generator("one"))
    document, console = open_page(tmp_path / "out" / "report.html")
    for words in ("Generated images, cifar10", "Nearest real images", "How this was measured", "</html>"):
        assert words in document
    assert console == []
