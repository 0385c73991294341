"""Table 14 and Figure 7: generators of images, trained and measured."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from sphereface_plus import checkpoint
from sphereface_plus.__main__ import main
from sphereface_plus.config import GanConfig, load
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.reproduce import evaluation, generated, runs
from sphereface_plus.reproduce.spec import Job, config_of, jobs_of, load_table
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.run import train
from tests.small_sets import write_cifar
from tests.training.gan_set import batch_of, gan_learner

DATA = {"cifar10": "a"}


@pytest.mark.parametrize("row", load_table("table14")[0].rows)
def test_every_generator_learns_from_a_batch_as_its_row_says(row):
    """Of random pixels, at a width of two."""
    table, file = load_table("table14")
    settings = (*table.rows[row], *table.budgets["full"].set)
    narrow = ["network.width=2", "train.device=cpu", "train.precision=fp32"]
    config = config_of(Job(row, 0, settings), file.parent / table.recipe, DATA, narrow)
    assert isinstance(config, GanConfig)
    learner = gan_learner(config)
    parameters = list(learner.discriminator.parameters())
    before = [value.clone() for value in parameters]
    scalars = learner.update(batch_of(size=4), 0)
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in scalars.values())
    assert any((now != then).any() for now, then in zip(parameters, before, strict=True))
    assert (row in ("Orthonormal", "MHE", "MHE + SN")) == (learner.energy.penalty(0) is not None)
    assert (row in ("GAN-gradient penalty", "WGAN-GP")) == ("gradient_penalty" in scalars)
    if row == "Weight clipping":
        assert max(kernel.abs().max() for kernel in learner.kernels) <= 0.01
    else:
        assert config.loss.weight_clipping is None


def test_figure_7_shows_two_runs_of_table_14():
    (table14, file14), (figure07, file07) = load_table("table14"), load_table("figure07")
    for budget in ("small", "full"):
        runs, shown = (
            {
                config_of(job, file.parent / table.recipe, DATA).model_dump_json()
                for job in jobs_of(table, table.budgets[budget], 1)
            }
            for table, file in ((table14, file14), (figure07, file07))
        )
        assert len(shown) == 2
        assert shown < runs


TABLE = """
title: A small table of generators
recipe: {recipe}
rows:
  SN: []
  MHE + SN: [mhe.weight=1]
columns:
  CIFAR: {{}}
paper:
  Real data: {{CIFAR: 11.24}}
  MHE + SN: {{CIFAR: 7.59}}
measures: [class_score, frechet_distance, precision, recall]
plot: samples
energies: true
budgets:
  small:
    seeds: 1
    samples: 60
    set: [network.width=2, train.steps=3, train.batch_size=10, train.log_every=1, train.checkpoint_every=2,
          train.device=cpu]
"""


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    return write_cifar(tmp_path_factory.mktemp("cifar"), train=3, test=3)


@pytest.fixture(scope="module")
def classifier(cifar, tmp_path_factory):
    changes = [f"data.path={cifar}", "network.widths=[4,4,8]", "network.embedding_size=8", "train.steps=1"]
    changes += [
        "train.batch_size=10",
        "optimizer.milestones=[]",
        "optimizer.warmup_steps=0",
        "train.device=cpu",
    ]
    recipe = load(recipes_folder() / "cifar" / "cnn9.yaml", changes)
    return train(recipe, tmp_path_factory.mktemp("classifier") / "run").folder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.yaml"
    path.write_text(TABLE.format(recipe=recipes_folder() / "gan" / "sngan_b.yaml"))
    return path


@pytest.fixture
def call(monkeypatch, capsys, cifar, tmp_path):
    """call(table, ...) -> the exit code of `reproduce` as the shell calls it, and what it says."""

    def call(*arguments):
        words = [*arguments, "--data", f"cifar10={cifar}", "--out", tmp_path / "out"]
        monkeypatch.setattr(sys, "argv", ["sphereface-plus", "reproduce", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out + captured.err

    return call


def forbidden(*_):
    raise AssertionError("what was done is done again")


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_generators_are_trained_measured_and_written_beside_the_papers(
    monkeypatch, call, table, classifier, tmp_path
):
    code, said = call(table, "--extractor", classifier)
    assert code == 0, said
    out = tmp_path / "out"
    text = (out / "table.md").read_text()
    assert text in said
    names = [
        f"{words} (cifar10_cnn9)" for words in ("class score", "Frechet distance", "precision %", "recall %")
    ]
    classes, frechet, *_ = names
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [line[:2] for line in lines] == [
        ["| method", "setting"],
        *([f"| {row}", name] for row in ("SN", "MHE + SN") for name in names),
        ["| Real data", classes],
    ]
    assert "| score | minus baseline | best of evaluations | paper |" in text
    assert [line[-1] for line in lines[1:]] == [*[" |"] * 4, "7.59 |", *[" |"] * 3, "11.24 |"]
    assert (
        "Scores of 60 images of each generator, of the same noise, against 30 reference images, of " in text
    )
    digest = checkpoint.sha256(classifier / "checkpoints" / "last.pt")
    assert f"(cifar10_cnn9: classifier, 8 features, sha256 {digest[:12]}, images resized: none)" in text
    assert "Precision and recall of 30 images of each set." in text
    assert (
        "of 2 checkpoints of a run, every 2 updates of the generator, which is what the released code reports"
        in text
    )

    measured = {
        (run["name"].split("/")[-3].partition("_seed")[0].rpartition("_")[0], run["step"]): run["scores"]
        for report in (out / "measured").glob("*/report.json")
        for run in json.loads(report.read_text())["runs"]
    }
    assert set(measured) == {(row, step) for row in ("sn", "mhe_sn") for step in (2, 3)}
    assert len(list((out / "measured" / "features").glob("*.npz"))) == 1  # of the real images alone
    distance = {key: scores["cifar10_cnn9"]["frechet_distance"]["value"] for key, scores in measured.items()}
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    row = next(it for it in rows if (it["row"], it["column"]) == ("MHE + SN", frechet))
    assert float(row["score"]) == pytest.approx(distance["mhe_sn", 3], abs=1e-4)
    assert float(row["difference"]) == pytest.approx(distance["mhe_sn", 3] - distance["sn", 3], abs=2e-4)
    assert float(row["best"]) == pytest.approx(min(distance["mhe_sn", 3], distance["mhe_sn", 2]), abs=1e-4)
    about = {"images": "60", "reference_images": "30", "extractor_sha256": digest, "resize": "none"}
    assert all(row[name] == value for name, value in about.items())
    assert next(it for it in rows if it["row"] == "Real data")["images"] == "30"
    row = next(it for it in rows if (it["row"], it["column"]) == ("SN", "recall % (cifar10_cnn9)"))
    recall = measured["sn", 3]["cifar10_cnn9"]["precision_recall"]["recall"]
    assert float(row["score"]) == pytest.approx(100 * recall, abs=1e-4)

    assert (out / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert "images of each generator of seed 0 after 3 steps, none chosen" in (out / "samples.md").read_text()
    energies = list(csv.DictReader((out / "half_space_energy_of_layers.csv").read_text().splitlines()))
    assert {row["method"] for row in energies} == {"SN", "MHE + SN"}
    keys = [tuple(row[name] for name in ("layer", "method", "seed", "step")) for row in energies]
    assert len(set(keys)) == len(keys)  # also of a step with a checkpoint, which is logged twice
    values = list(csv.DictReader((out / "largest_singular_value_of_layers.csv").read_text().splitlines()))
    assert {(row["method"], row["step"]) for row in values} == {
        (method, step) for method in ("SN", "MHE + SN") for step in "023"
    }
    scores = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert {row["score"] for row in scores} == set(names)
    found = {row["step"]: row for row in scores if (row["score"], row["method"]) == (frechet, "MHE + SN")}
    for step in (2, 3):
        assert float(found[str(step)]["value"]) == pytest.approx(distance["mhe_sn", step], rel=1e-6)
    assert "over updates of the generator" in (out / "scores.md").read_text()

    monkeypatch.setattr(runs, "Command", forbidden)
    monkeypatch.setattr(generated, "_evaluate", forbidden)
    assert call(table, "--extractor", classifier)[0] == 0
    assert (out / "table.md").read_text() == text


def test_where_eval_ends_with_an_error_its_last_words_are_told(monkeypatch, tmp_path):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    words = ["gan", "nowhere", "--real", "nowhere", "--extractor", "nowhere", "--out", str(tmp_path / "out")]
    with pytest.raises(RunError) as raised:
        generated._evaluate(words, tmp_path / "said" / "a.txt")
    assert str(raised.value) == (
        f"the runs could not be measured, {tmp_path}/said/a.txt: nowhere: there is no such file or folder of "
        f"images; looked for nowhere in {tmp_path}/photos, which holds nothing to read; the runs are "
        "kept, and the same command goes on"
    )


def test_a_report_of_other_real_images_is_not_taken_for_theirs(monkeypatch, classifier, tmp_path):
    measured = []

    def evaluate(words, _):
        measured.append(words[words.index("--real") + 1])
        out = Path(words[words.index("--out") + 1])
        out.mkdir(parents=True)
        (out / "report.json").write_text(json.dumps({"of": measured[-1]}))

    monkeypatch.setattr(generated, "_evaluate", evaluate)
    file = classifier / "checkpoints" / "last.pt"
    for place in ("one", "other", "one"):
        how = generated.Measuring(place, f"content of {place}", (classifier,), 60, "cpu", tmp_path)
        assert generated._report([file], how) == {"of": place}
    assert measured == ["one", "other"]


def test_without_a_feature_space_a_measured_table_is_refused_and_with_one_another(
    call, table, classifier, tmp_path
):
    code, said = call(table)
    assert (code, said) == (
        1,
        f"error: {table}: measures generated images by the features of a classifier: --extractor FILE, as of "
        "`python -m eval gan`\n",
    )
    table.write_text(re.sub("measures: .*\n", "", table.read_text()))
    code, said = call(table, "--extractor", classifier)
    assert code == 1
    assert said == f"error: --extractor: {table} measures no generated images; leave it out\n"
    (tmp_path / "models").mkdir()
    code, said = call(table, "--extractor", tmp_path / "models/nothing")
    assert (code, said) == (
        1,
        f"error: {tmp_path}/models/nothing: there is no such classifier or file of weights; looked for "
        f"nothing in {tmp_path}/models, which holds nothing to read\n",
    )
    assert not (tmp_path / "out").exists()


def test_a_wheel_measures_no_generated_images_and_says_so(monkeypatch, call, table, classifier, tmp_path):
    monkeypatch.setattr(evaluation, "recipes_folder", lambda: tmp_path / "recipes")
    code, said = call(table, "--extractor", classifier)
    assert code == 1
    assert said.startswith(f"error: {table}: is measured by eval, which is not installed with the library; ")
