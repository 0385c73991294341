"""`sphereface-plus plan` as people call it."""

import re

import pytest
from click.testing import CliRunner

from sphereface_plus.__main__ import cli

RATES = ["--network-flops", "1e12", "--product-flops", "1e11", "--memory-rate", "1e10"]


def call(*arguments):
    return CliRunner().invoke(cli, ["plan", *map(str, arguments)], standalone_mode=False)


@pytest.fixture
def recipe(repository):
    return repository / "configs/face/sphereface4_casia.yaml"


def test_a_plan_says_memory_time_traffic_and_rates(recipe):
    said = call(
        recipe,
        *("--identities", "10e6", "--processes", "64", "--images", "3e8", "--bandwidth", "1e9", *RATES),
        *("--set", "train.batch_size=8192", "--set", "head=sharded", "--set", "mhe.weight=10"),
    ).output
    assert (
        "10,000,000 identities, sharded head and mhe.form paper; 64 processes with 128 images of a step each"
        in said
    )
    assert re.search(
        r"prototypes +1.6 GB +weights, momentum and up to three gradients of 156,250 x 512\n", said
    )
    assert "embeddings, and their gradients" in said
    assert re.search(r"images a second; 300,000,000 in \S+ h", said)
    assert (
        "rates: 1e+03 GFLOP/s of the network (given); 100 GFLOP/s of products (given); "
        "10 GB/s of an update (given); 1 GB/s between processes (given)" in said
    )


def test_a_sample_is_told_as_all_processes_see_it(recipe):
    asked = ("--set", "head=sharded", "--set", "sample_rate=0.1")
    said = call(recipe, "--identities", 20000, "--processes", 4, *asked, *RATES).output
    assert (
        "20,000 identities, a sample of 2,000 in each step (some 500 of them in each process), sharded"
        in said
    )
    assert re.search(r"\n  draw +0\.0004 s +\d+%   of the sample\n", said)


def test_less_than_an_image_a_second_is_told_in_seconds(recipe):
    said = call(recipe, "--identities", "1e12", *RATES).output
    assert re.search(r"\n[\d,]+ seconds an image\n", said)
    of_two = call(recipe, "--identities", "1e12", "--processes", 2, "--set", "head=sharded", *RATES).output
    assert re.search(r"\nat least [\d,]+ seconds an image\n", of_two)  # its traffic is not known
    assert "draw" not in said + of_two


def test_alone_there_is_no_traffic_and_what_is_not_given_is_measured(recipe):
    said = call(recipe, "--identities", 5000).output
    assert "1 process with" in said
    assert "traffic" not in said
    assert said.count("measured here") == 3


def test_without_a_bandwidth_the_bytes_are_said_and_what_to_give(recipe):
    said = call(recipe, "--identities", 5000, "--processes", 4, *RATES).output
    assert "without its traffic" in said
    assert re.search(r"\nat most [\d,]+ images a second\n", said)
    assert re.search(
        r"traffic +give --bandwidth +network's gradients .*, prototypes' gradients 15\.4 MB", said
    )


def test_a_check_that_no_memory_holds_is_refused_before_it_begins(recipe):
    said = call(recipe, "--identities", "1e12", "--check", 1, *RATES).output
    assert re.search(
        r"error: --check: a process needs \d+\.\d PB, and there are \S+ [MGT]B; check fewer", said
    )


def test_fewer_identities_than_processes_are_refused_as_in_a_training(recipe):
    sharded = ["--set", "head=sharded", "--set", "train.batch_size=64"]
    result = call(recipe, "--identities", 3, "--processes", 64, *sharded, *RATES)
    assert "--identities 3 cannot be shared by 64 processes: each holds one or more" in result.output


def test_a_plan_can_be_held_against_updates(recipe):
    said = call(recipe, "--identities", 300, "--check", 1, "--set", "train.batch_size=4", *RATES).output
    assert re.search(r"checked: 1 update of \S+ s \(median\), planned [^;\s]+(; memory .*)?\n", said)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--identities", "many"], "'many' is not a whole number above 0, such as 10e6"),
        (["--identities", "1e30"], "'1e30' is not a whole number above 0, and 1e+15 at most"),
        (["--identities", "0"], "'0' is not a whole number above 0"),
        (["--identities", "1.5"], "'1.5' is not a whole number above 0"),
        (["--identities", "9", "--bandwidth", "-1"], "'-1' is not a number above 0"),
        (
            ["--identities", "9", "--processes", "7"],
            "cannot be shared by 7 processes: it must be a multiple of 7",
        ),
        (
            ["--identities", "9", "--processes", "2", "--check", "1", *RATES],
            "--check: 1 process can be checked here, not 2; start torchrun --nproc-per-node 2",
        ),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(recipe, arguments, words):
    result = call(recipe, *arguments)
    assert words in f"{result.output}{result.exception}"


def test_a_recipe_goes_by_its_name_and_a_misspelt_one_is_answered_with_the_nearest():
    said = call("face/sphereface20_csia", "--identities", 9).output
    assert "there is no such recipe; did you mean face/sphereface20_casia or " in said
    assert "sphereface4 in" in call("face/sphereface4_casia", "--identities", 300, *RATES).output


def test_a_recipe_without_prototypes_is_refused(repository):
    recipe = repository / "configs/cifar/cnn9.yaml"
    said = call(recipe, "--identities", 9).output
    assert said == f"error: {recipe}: only trainings of faces by a loss with prototypes are planned\n"
