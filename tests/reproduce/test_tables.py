"""Every table and figure of configs/paper loads, and each of its runs is a valid config."""

import re
from pathlib import Path

import pytest
import torch

from sphereface_plus.config import ConfigError, ImageConfig, load
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.config.strict import validate
from sphereface_plus.data.images import normalise
from sphereface_plus.losses.smoothed_softmax import SmoothedSoftmaxLoss
from sphereface_plus.networks import build_image_network
from sphereface_plus.processes import Processes
from sphereface_plus.reproduce.face_tables import face_studies
from sphereface_plus.reproduce.spec import Job, Table, config_of, jobs_of, load_table, refuse_other_tasks
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.energies import LayerEnergies
from sphereface_plus.training.network import TrainedNetwork
from sphereface_plus.training.sgd import ScheduledSGD

NAMES = sorted({path.stem for path in (recipes_folder() / "paper").glob("*.yaml")} - {*face_studies()})
GENERATED = ("figure07", "table14")
"""Of generators of images: test_generated.py."""
DATA = {"cifar10": "a", "cifar100": "b", "mnist": "c", "imagenet": "d"}


def test_there_is_a_file_for_each_table_and_figure_of_images():
    tables = [f"table{number:02d}" for number in (1, 2, 3, 4, 5, 6, 7, 13, 14, 16)]
    assert sorted([*tables, "figure03", "figure04", "figure07", "truth_images"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_run_of_a_table_is_a_valid_config_and_none_is_made_twice(name):
    table, file = load_table(name)
    for budget in table.budgets.values():
        jobs = jobs_of(table, budget, budget.seeds)
        assert len(set(jobs)) == len(jobs)
        configs = [config_of(job, file.parent / table.recipe, DATA) for job in jobs]
        assert len({config.model_dump_json() for config in configs}) == len(configs)
        assert all(config.data.path == DATA[config.data.name] for config in configs)
    assert file.read_text().startswith("#")
    assert f"sphereface-plus reproduce {name} " in file.read_text()


def test_the_baseline_comes_first_and_has_no_energy_that_acts():
    for name in NAMES:
        table, file = load_table(name)
        job = jobs_of(table, table.budgets["full"], 1)[0]
        described = config_of(job, file.parent / table.recipe, DATA)
        mhe = described.mhe
        if isinstance(described, ImageConfig):
            assert (mhe.hidden.weight, mhe.output.weight, mhe.orthonormal) == (0, 0, 0), name
        else:
            assert (mhe.weight, described.network.discriminator_normalisation) == (0, "none"), name


def test_paper_weights_are_those_of_appendix_a():
    table, file = load_table("table01")
    for job in jobs_of(table, table.budgets["full"], 1):
        if job.row == "Baseline":
            continue
        mhe = config_of(job, file.parent / table.recipe, DATA).mhe
        assert mhe.hidden.weight == (1 if "Half-space" in job.row else 10), job.row
        assert mhe.output.weight == 1
        assert mhe.hidden.half_space == ("Half-space" in job.row)
        assert (
            mhe.hidden.distance == mhe.output.distance == ("angular" if "A-MHE" in job.row else "euclidean")
        )
        assert mhe.hidden.power == mhe.output.power == float(job.row[-1])


def test_columns_that_read_the_same_run_share_it():
    table, _ = load_table("table07")
    rows = {(job.row, job.settings) for job in jobs_of(table, table.budgets["full"], 1)}
    assert len(rows) == 2 * len(table.rows)


def test_an_unknown_table_is_refused_with_those_there_are():
    with pytest.raises(
        ConfigError, match=r"table99: is not a table or figure; there are figure03, figure04, figure07, "
    ):
        load_table("table99")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("table1", "is not a table or figure; did you mean table01?"),
        ("tabel05", "is not a table or figure; did you mean table05?"),
        ("fig4", "is not a table or figure; did you mean figure04?"),
        ("figure8", "is not a table or figure; did you mean figure08?"),
        ("nope", "is not a table or figure; there are figure03, figure04, figure07, figure09, "),
        ("cifar/cnn9", "is a recipe, not a table or figure: sphereface-plus train cifar/cnn9"),
    ],
)
def test_the_nearest_table_is_named(name, says):
    with pytest.raises(ConfigError, match=f"^{name}: {re.escape(says)}"):
        load_table(name)


def test_a_data_set_without_a_place_is_named():
    table, file = load_table("table01")
    job = jobs_of(table, table.budgets["small"], 1)[0]
    with pytest.raises(ConfigError, match="say where cifar10 lies: --data cifar10=PATH"):
        config_of(job, file.parent / table.recipe, {})


TABLE = """
title: t
recipe: r.yaml
rows: {Baseline: [], Other: []}
columns: {A: {}}
budgets: {small: {seeds: 1, rows: [%s]}}
paper: {%s: {A: 1.0}}
"""


@pytest.mark.parametrize(
    ("row", "paper", "message"),
    [
        ("Nobody", "Baseline", "budgets: Nobody is not a row or column"),
        ("Other", "Baseline", "budgets: rows must begin with the baseline"),
        ("Baseline", "Nobody", "paper: Nobody is not a row or column"),
    ],
)
def test_names_that_do_not_agree_are_refused(tmp_path: Path, row, paper, message):
    path = tmp_path / "table.yaml"
    path.write_text(TABLE % (row, paper))
    with pytest.raises(ConfigError, match=message):
        load_table(str(path))


def test_settings_of_one_row_under_a_budget_win_over_the_budgets_and_stay_that_rows():
    described = {
        **{"title": "t", "recipe": "r.yaml", "columns": {"A": {}}},
        "rows": {"Baseline": ["x=1"], "Other": ["x=2"]},
        "budgets": {"small": {"seeds": 1, "set": ["x=3"], "set_of": {"Other": ["x=4"]}}},
    }
    table = validate(Table, described, "table.yaml")
    found = {job.row: job.settings for job in jobs_of(table, table.budgets["small"], 1)}
    assert found == {"Baseline": ("x=1", "x=3"), "Other": ("x=2", "x=3", "x=4")}


def test_settings_of_a_row_that_is_not_run_are_refused():
    described = {
        **{"title": "t", "recipe": "r.yaml", "columns": {"A": {}}, "rows": {"Baseline": [], "Other": []}},
        "budgets": {"small": {"seeds": 1, "rows": ["Baseline"], "set_of": {"Other": ["x=4"]}}},
    }
    with pytest.raises(ConfigError, match="budgets: set_of: Other is not a row that is run"):
        validate(Table, described, "table.yaml")


def test_wgan_gp_is_in_sn_gans_setting_a_with_as_many_updates_of_the_generator_as_the_other_rows():
    table, file = load_table("table14")
    setting = load(recipes_folder() / "gan" / "sngan_a.yaml")
    for name, budget in table.budgets.items():
        configs = {
            job.row: config_of(job, file.parent / table.recipe, DATA) for job in jobs_of(table, budget, 1)
        }
        updates = {row: made.train.steps // made.n_dis for row, made in configs.items()}
        assert set(updates.values()) == {100_000 if name == "full" else 2_000}
        of_row = configs["WGAN-GP"]
        assert (of_row.generator, of_row.discriminator) == (setting.generator, setting.discriminator)
        assert of_row.n_dis == setting.n_dis == 5


def cells():
    for name in (name for name in NAMES if name not in GENERATED):
        table, _ = load_table(name)
        rows = dict.fromkeys((next(iter(table.rows)), list(table.rows)[-1]))
        yield from ((name, row, column) for row in rows for column in table.columns)


@pytest.mark.parametrize(("name", "row", "column"), list(cells()))
def test_the_first_and_the_last_method_of_each_column_learn_from_a_batch(name, row, column):
    """Of random pixels, by networks of a few filters where a table allows them."""
    table, file = load_table(name)
    settings = (*table.columns[column].set, *table.rows[row], *table.budgets["full"].set)
    torchvision = table.recipe.endswith("resnet18.yaml")
    narrow = [] if torchvision else ["network.widths=[4,4,8]"]
    config = config_of(Job(row, 0, settings), file.parent / table.recipe, DATA, [*narrow, "train.device=cpu"])
    classes = {"cifar10": 10, "cifar100": 100, "mnist": 10, "imagenet": 1000}[config.data.name]
    shape = {"mnist": (28, 28, 1), "imagenet": (64, 64, 3)}.get(config.data.name, (32, 32, 3))
    torch.manual_seed(0)
    network = build_image_network(config.network, in_channels=shape[-1])
    loss = SmoothedSoftmaxLoss(classes, network.embedding_size)
    alone = Processes(0, 1, torch.device("cpu"))
    settings = config.optimizer.model_copy(update={"warmup_steps": 0, "learning_rate": 1e-4})
    learner = ClassifierLearner(
        TrainedNetwork(network, normalise, alone),
        loss,
        energies=LayerEnergies(network, loss, config.mhe, seed=0),
        optimizer=ScheduledSGD(network, loss, settings),
        processes=alone,
        measure_every=1,
    )
    parameters = learner.optimizer.parameters
    batch = [(torch.randint(256, (4, *shape), dtype=torch.uint8), torch.randint(classes, (4,)))]
    before = [value.clone() for value in parameters]
    scalars = learner.update(batch, 0)
    acting = config.mhe.hidden.weight + config.mhe.output.weight + config.mhe.orthonormal > 0
    assert (float(scalars["loss"]) != float(scalars["classification_loss"])) == acting
    assert all(torch.isfinite(value).all() for value in parameters)
    assert any((now != then).any() for now, then in zip(parameters, before, strict=True))


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ("gan/sngan_b", {"plot": "features"}, "plot: features: .* has no such plot; none or samples"),
        ("gan/sngan_b", {"columns": {"A": {"of_class": 1}}}, "of_class: is of image classifications"),
        ("cifar/cnn9", {"plot": "samples"}, "plot: samples: .* has no such plot; none or sweep or features"),
        ("cifar/cnn9", {"measures": ["class_score"]}, "measures: are of generated images, and .* makes none"),
    ],
)
def test_what_the_runs_of_a_table_do_not_have_is_refused(recipe, changes, message):
    described = {"title": "t", "recipe": "", "rows": {"A": []}, "columns": {"A": {}}}
    described |= {"budgets": {"full": {"seeds": 1}}}
    table = validate(Table, described | changes, "t.yaml")
    config = config_of(Job("A", 0, ()), recipes_folder() / f"{recipe}.yaml", DATA)
    with pytest.raises(ConfigError, match=f"^t.yaml: {message}"):
        refuse_other_tasks(table, config, Path("t.yaml"))


@pytest.mark.parametrize(
    ("row", "rows", "message"),
    [
        ("C", ["A", "C"], "against: C is compared with B, which a budget does not run"),
        ("D", ["A", "B"], "against: D is not a row"),
    ],
)
def test_a_row_is_compared_with_one_that_is_run(row, rows, message):
    described = {"title": "t", "recipe": "", "rows": {"A": [], "B": [], "C": []}, "columns": {}}
    described |= {"budgets": {"small": {"seeds": 1, "rows": ["A", "B", "C"]}}}
    assert validate(Table, described | {"against": {"C": "B"}}, "t.yaml").against == {"C": "B"}
    described |= {"budgets": {"small": {"seeds": 1, "rows": rows}}, "against": {row: "B"}}
    with pytest.raises(ConfigError, match=f"^t.yaml: {message}$"):
        validate(Table, described, "t.yaml")
