"""The options of a MODEL: what they take, what their help says, and that they are written once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sphereface_plus.commands import model_options as options


def run(*decorators, arguments=()):
    """What a command with these options answers, and the arguments that it got."""
    got = {}

    def remember(**arguments) -> None:
        got.update(arguments)

    for decorator in reversed(decorators):
        remember = decorator(remember)
    result = CliRunner().invoke(click.command()(remember), [str(each) for each in arguments])
    return result, got


def words_of(*decorators) -> str:
    return " ".join(run(*decorators, arguments=["--help"])[0].output.split())


def test_a_model_is_required_unless_something_holds_without_it():
    assert "Missing option '--model'" in run(options.model_option())[0].output
    assert run(options.model_option(without="Or crops."))[1] == {"model": None}
    assert "or the word pixels. Or crops." in words_of(options.model_option(without="Or crops."))


def test_embeddings_are_named_where_they_will_do():
    assert "embeddings" in words_of(options.model_option(embeddings=True))
    assert "embeddings" not in words_of(options.model_option())


def test_paths_are_paths_and_input_is_the_argument_input_file():
    decorators = options.input_option(), options.crops_option("OUT/crops")
    _, got = run(*decorators, arguments=["--input", "a.yaml", "--crops", "there"])
    assert got == {"input_file": Path("a.yaml"), "crops": Path("there")}


def test_help_says_the_defaults_that_are_words():
    assert "[default: OUT/crops]" in words_of(options.crops_option("OUT/crops"))
    assert "[default: as in the report]" in words_of(options.flip_option(None, "as in the report"))
    assert "of ONNX files." in words_of(options.input_option("ONNX files"))


def test_defaults_are_the_networks_own_numbers():
    decorators = options.device_option, options.precision_option, options.workers_option
    assert run(*decorators)[1] == {"device": "auto", "precision": "fp32", "workers": None}
    assert run(options.flip_option())[1] == {"flip": "none"}
    assert run(options.flip_option("concat"))[1] == {"flip": "concat"}
    assert run(options.flip_option(None))[1] == {"flip": None}


@pytest.mark.parametrize("name", ["model", "input", "crops", "device", "precision", "flip"])
def test_no_command_of_a_model_writes_its_option_again(name, repository):
    written = [
        path.relative_to(repository).as_posix()
        for folder in ("eval", "sphereface_plus/commands")
        for path in (repository / folder).rglob("*.py")
        if f'option("--{name}"' in "".join(path.read_text(encoding="utf-8").split())
    ]
    assert written == ["sphereface_plus/commands/model_options.py"]


def test_they_load_click_alone():
    code = "import sys, sphereface_plus.commands.model_options; print({'torch', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
