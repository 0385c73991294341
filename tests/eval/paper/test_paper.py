"""`python -m eval paper`: the paper's face tables are whole, and are filled from a folder of models."""

import json
import re
from statistics import mean

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from eval.__main__ import main
from eval.paper import plots
from eval.paper.plots import Drawn, _line
from eval.paper.tables import Cell, FaceTable, Share, cells, load_table, markdown, models_of, share_of
from eval.plots import MODELS
from sphereface_plus import weights
from sphereface_plus.commands import model_argument
from sphereface_plus.config import ConfigError, InputSpec, NetworkConfig
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.data.formats.embedding_store import open_embeddings
from sphereface_plus.networks import build_network
from sphereface_plus.precision import Choice
from sphereface_plus.weights import Origin, WeightsInfo

NAMES = sorted(path.stem for path in (recipes_folder() / "paper" / "faces").glob("*.yaml"))
SMALL = FaceTable(
    title="Two losses",
    measures={"LFW": "lfw_accuracy", "MegaFace": "megaface_rank_1"},
    rows={"m = 1": {"SF": "a", "SF+": "b"}, "m = 2": {"SF": "c", "SF+": "d"}},
    paper={"LFW": {"m = 1": {"SF": 96.35, "SF+": 97.15}}},
    notes="A note.",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_says_its_command_and_names_its_models(name):
    table, path = load_table(name)
    head = path.read_text().splitlines()[1]
    assert head.startswith(f"# Command:  sphereface-plus reproduce {name} --models DIR")
    assert ("lfw_accuracy" in table.measures.values()) == ("--lfw LFW" in head)
    assert all(re.fullmatch(r"\w+", model) for row in table.rows.values() for model in row.values())


def test_the_papers_numbers_are_there():
    assert NAMES == ["figure09", "figure10", "table08", "table09", "table10", "table17", "table18"]
    assert load_table("table08")[0].paper["MegaFace"]["m = 4"] == {"SphereFace": 70.68, "SphereFace+": 71.30}
    assert load_table("table09")[0].paper["LFW"]["m = 4"] == {"SphereFace": 99.42, "SphereFace+": 99.47}
    assert load_table("table10")[0].paper["MegaFace"]["CosineFace"] == {"accuracy": 75.10}
    with pytest.raises(ConfigError, match="table01: is not a table of face models; there are figure09"):
        load_table("table01")


def test_models_are_found_by_name_and_seed(tmp_path):
    for name in ("a.onnx", "b_seed1.pt", "b_seed0.pt", "b_seed10.pt", "c"):
        (tmp_path / name).touch()
    found = models_of(SMALL, tmp_path)
    assert {name: [path.name for path in paths] for name, paths in found.items()} == {
        "a": ["a.onnx"],
        "b": ["b_seed0.pt", "b_seed1.pt", "b_seed10.pt"],
        "c": ["c"],
        "d": [],
    }
    (tmp_path / "a_seed0.pt").touch()
    with pytest.raises(ConfigError, match=r"holds a\.onnx and a_seed0\.pt; keep one, or name all by seeds"):
        models_of(SMALL, tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match=r"holds none of the 4 models of the table \(a, b, c, \.\.\.\)"):
        models_of(SMALL, tmp_path / "none")


def test_cells_hold_means_and_spreads_over_seeds_beside_the_papers(tmp_path):
    models = {"a": [tmp_path / "a"], "b": [tmp_path / "b0", tmp_path / "b1"], "c": [], "d": [tmp_path / "d"]}
    shares = {
        "a": (Share(0.9, (0.85, 0.93)), None),
        "b0": (Share(0.9, (0.8, 0.95)), None),
        "b1": (Share(0.92), None),
        "d": (Share(0.5), Share(0.75, (0.7, 0.8))),
    }

    def measured(path, measure):
        return None if measure == "lfw_accuracy" and path.name == "d" else shares[path.name]

    text = markdown(SMALL, cells(SMALL, models, measured))
    lines = text.splitlines()
    assert lines[2] == "| | LFW, SF | LFW, SF+ | MegaFace, SF | MegaFace, SF+ |"
    two = "91.00 ± 1.41 [2]"
    assert (
        lines[4]
        == f"| m = 1 | 90.00, 85.00 .. 93.00 (96.35) | {two} (97.15) | 90.00, 85.00 .. 93.00 | {two} |"
    )
    assert lines[5] == "| m = 2 | - | - | - | 50.00 / 75.00, 70.00 .. 80.00 |"
    assert "After the comma: the 95 % interval by person." in text
    assert "Behind the slash: without the images of the noise lists." in text
    assert text.endswith("A note.\n")
    assert cells(SMALL, models, measured)["MegaFace", "m = 2", "SF+"] == Cell(
        [Share(0.5)], [Share(0.75, (0.7, 0.8))]
    )


def test_a_share_that_so_few_pairs_do_not_show_is_marked(tmp_path):
    models = {"a": [tmp_path / "a"], "b": [tmp_path / "b0", tmp_path / "b1"], "c": [], "d": [tmp_path / "d"]}
    shares = {
        "a": (Share(0.0, (0.0, 1.0), "unresolved"), None),
        "b0": (Share(0.9), None),
        "b1": (Share(0.92, None, "coarse"), None),
        "d": (Share(0.5, (0.4, 0.6)), Share(0.75, (0.7, 0.8), "coarse")),
    }
    lines = markdown(SMALL, cells(SMALL, models, lambda path, _: shares[path.name])).splitlines()
    unresolved, coarse = "0.00, 0.00 .. 100.00 (not resolved by so few)", "91.00 ± 1.41 [2] (coarse)"
    assert lines[4] == f"| m = 1 | {unresolved} (96.35) | {coarse} (97.15) | {unresolved} | {coarse} |"
    both = "50.00, 40.00 .. 60.00 / 75.00, 70.00 .. 80.00 (coarse)"
    assert lines[5] == f"| m = 2 | - | {both} | - | {both} |"


def test_lines_of_a_row_have_one_colour_and_the_second_is_dashed_whatever_is_missing():
    first, second = (_line(Drawn("a", 1, column, {})) for column in (0, 1))
    assert first["color"] == second["color"] == MODELS[1]
    assert (first["linestyle"], second["linestyle"]) == ("-", "--")


def test_figures_have_raw_and_cleaned_panels_at_the_distractors_that_are_there(tmp_path, monkeypatch):
    def numbers(there, rate):
        ranks = [{"rank": rank, "rate": rate} for rank in (1, 10)]
        sizes = [{"size": size, "distractors": [size - there, size], "ranks": ranks} for size in (10, 100)]
        roc = {"far": [0.0, 0.1, 1.0], "tar": [0.2, 0.5, 1.0]}
        return {"sizes": sizes, "probes": 5, "verification": [{"size": 100, "impostor": 480, "roc": roc}]}

    drawn = []
    monkeypatch.setattr(plots, "write_figure", lambda path, figure: drawn.append(figure))
    models = [
        Drawn("a", 0, 0, {"raw": numbers(0, 0.5), "cleaned": numbers(4, 0.75)}),
        Drawn("b", 0, 1, {"raw": numbers(0, 0.6)}),
    ]
    plots.rank_by_distractors(models, tmp_path)
    plots.roc_by_distractors(models, tmp_path)
    rank, roc = (figure.axes for figure in drawn)
    assert [axes.get_title() for axes in rank] == ["raw", "raw", "cleaned", "cleaned"]
    assert [axes.get_title() for axes in roc] == ["raw, 96 distractors", "cleaned, 96 distractors"]
    cleaned = rank[2].lines[0]
    assert cleaned.get_xdata().tolist() == [8, 98]
    assert cleaned.get_ydata().tolist() == [75, 75]
    assert [len(axes.lines) for axes in roc] == [2, 1]
    plots.rank_by_distractors(models[1:], tmp_path)
    assert [axes.get_title() for axes in drawn[2].axes] == ["raw", "raw"]


def test_a_measure_is_read_from_its_report():
    def numbers(rank_1, tar, *others):
        largest = {"ranks": [{"rate": rank_1}], "rank_1_interval": [0.1, 0.9]}
        return {
            "sizes": [{"ranks": [{"rate": 1.0}]}, largest],
            "verification": [
                {"tar_at_far": []},
                {"tar_at_far": [{"far": 1e-6, "tar": tar, "interval": [0.2, 0.99], "resolution": "coarse"}]},
            ],
            "tar_over_sets": [
                {"far": 1e-5, "mean": 1.0, "deviation": None},
                {"far": 1e-6, "mean": mean([tar, *others]), "deviation": 0.1 if others else None},
            ],
        }

    def rank_1(value):
        return Share(value, (0.1, 0.9))

    def tar(value):
        return Share(value, (0.2, 0.99), "coarse")

    report = {"results": {"raw": numbers(0.7, 0.8), "cleaned": numbers(0.9, 0.95)}}
    assert share_of(report, "megaface_rank_1") == (rank_1(0.7), rank_1(0.9))
    assert share_of(report, "megaface_tar") == (tar(0.8), tar(0.95))
    assert share_of({"results": {"raw": numbers(0.7, 0.8)}}, "megaface_tar") == (tar(0.8), None)
    of_two_sets = share_of({"results": {"raw": numbers(0.7, 0.8, 0.9)}}, "megaface_tar")
    assert of_two_sets == (
        Share(pytest.approx(0.85), None, "coarse"),
        None,
    )  # the interval is the first set's
    report = {"results": {"accuracy": 0.99, "accuracy_interval": [0.98, 0.995]}}
    assert share_of(report, "lfw_accuracy") == (Share(0.99, (0.98, 0.995)), None)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Crops of three people and of ten strangers, and two models."""
    root, rng = tmp_path_factory.mktemp("paper"), np.random.default_rng(0)
    for person in range(3):
        base = rng.integers(0, 256, (48, 32, 3))
        for number in range(3):
            path = root / "probes" / f"p{person}" / f"p{person}_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.clip(base + rng.integers(-20, 20, base.shape), 0, 255).astype(np.uint8))
    (root / "strangers").mkdir()
    for number in range(12):
        image = rng.integers(0, 256, (48, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "strangers" / f"{number}.png"), image)
    spec = InputSpec(template="small_48x32", height=48, width=32)
    config = NetworkConfig(name="sphereface4", embedding_size=8, input=spec)
    info = WeightsInfo(network=config, origin=Origin(format="caffe", file="x", sha256="0" * 64))
    for name in (
        *("sphereface20_m4", "sphereface_plus20_m4", "sphereface64_m4", "sphereface_plus64_m4"),
        *("softmax64", "sphereface20_imdb"),
    ):
        weights.save(root / "models" / f"{name}.safetensors", info, build_network(config).state_dict())
    return root


def measured_here(faces, name, out):
    arguments = ["paper", name, "--models", faces / "models", "--probes", faces / "probes"]
    arguments += ["--distractors", faces / "strangers", "--out", out]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


SURE = r"[0-9.]+, [0-9.]+ \.\. [0-9.]+"
UNSEEN = rf"{SURE} (not resolved by so few)"
CELLS = {
    "table08": ["m = 4", "- (99.26)", "- (99.32)", rf"{SURE} (70.68)", rf"{SURE} (71.30)"],
    "table09": ["m = 4", "- (99.42)", "- (99.47)", rf"{SURE} (72.72)", rf"{SURE} (73.03)"],
    "table10": ["Softmax", "- (97.88)", rf"{SURE} (54.86)"],
    "table17": ["m = 4", rf"{UNSEEN} (82.56)", rf"{UNSEEN} (83.39)"],
    "table18": ["IMDb-Face", "- (99.53)", "- (99.57)", rf"{SURE} (72.89)", "- (73.15)"],
    "figure09": ["m = 4", rf"{SURE} (70.68)", rf"{SURE} (71.30)"],
    "figure10": ["m = 4", rf"{UNSEEN} (82.56)", rf"{UNSEEN} (83.39)"],
}


def test_each_table_and_figure_is_made_of_a_folder_of_models(faces, tmp_path):
    assert sorted(CELLS) == NAMES
    for name, (row, *expected) in CELLS.items():
        output = measured_here(faces, name, tmp_path / name)
        assert "does not hold " in output
        table = (tmp_path / name / "table.md").read_text().splitlines()
        cells_of_row = next(line for line in table if line.startswith(f"| {row} |")).strip("| ").split(" | ")
        assert len(cells_of_row) == 1 + len(expected)
        for cell, pattern in zip(cells_of_row[1:], expected, strict=True):
            assert re.fullmatch(pattern.replace("(", r"\(").replace(")", r"\)"), cell)
        drawn = {"figure09": ["rank_by_distractors.png"], "figure10": ["roc.png"]}.get(name, [])
        assert sorted(path.name for path in (tmp_path / name).glob("*.png")) == drawn
    measured_here(faces, "figure09", tmp_path / "figure09")  # everything is there already


def test_the_precision_reaches_every_report_and_is_not_mixed(faces, monkeypatch, tmp_path):
    monkeypatch.setattr(model_argument, "fastest", lambda device: Choice("bf16", "for the test"))
    arguments = ["paper", "table08", "--models", faces / "models", "--probes", faces / "probes"]
    arguments += ["--distractors", faces / "strangers", "--out", tmp_path / "out"]
    arguments = [*map(str, arguments), "--precision", "auto"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "Embedded in what is fast on the device" in (tmp_path / "out/table.md").read_text()
    report = tmp_path / "out/sphereface20_m4.safetensors/megaface"
    assert json.loads((report / "report.json").read_text())["model"]["precision"] == "bf16"
    assert '<th scope="row">Embedded in</th><td>bf16</td>' in (report / "report.html").read_text()
    assert open_embeddings(report / "probes/embeddings").meta["precision"] == "bf16"
    result = CliRunner().invoke(main, arguments[:-2])
    assert result.exit_code == 1
    assert "out: holds the result of python -m eval paper, and this would be another: precision auto is" in (
        result.output
    )


def test_probes_need_distractors(faces, tmp_path):
    arguments = ["paper", "table08", "--models", faces / "models", "--probes", faces / "probes"]
    result = CliRunner().invoke(main, [str(a) for a in (*arguments, "--out", tmp_path / "out")])
    assert result.exit_code == 2
    assert "--probes and --distractors go together" in result.output


def test_a_table_says_how_many_distractors_were_searched():
    empty = cells(SMALL, {name: [] for name in "abcd"}, lambda *_: None)
    text = markdown(SMALL, empty, [12, 12])
    assert "Searched here: 12 distractors.\nThe paper's numbers are of 1,000,000, and do not compare" in text
    assert "do not compare" not in markdown(SMALL, empty, [1_000_000])
