"""How commands end, in each of the three command lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from data_prep.__main__ import main as data_prep
from eval.__main__ import main as eval_
from sphereface_plus.__main__ import cli
from sphereface_plus.errors import UserError

COMMAND_LINES = {
    "sphereface_plus": (cli, ["show", "nowhere"], "sphereface_plus.model_files.check_model"),
    "eval": (eval_, ["seeds", "--against", "a", "b"], "eval.seeds.table"),
    "data_prep": (data_prep, ["drop", "nowhere", "nowhere"], "data_prep.__main__.check_source"),
}


class TwoError(UserError):
    exit_code = 2


@pytest.fixture(params=COMMAND_LINES)
def end_with(request, monkeypatch):
    """Calls a command of a command line in which something happens; click's result."""
    group, arguments, place = COMMAND_LINES[request.param]

    def call(happens):
        monkeypatch.setattr(place, happens)
        return CliRunner().invoke(group, arguments)

    return call


def raising(error):
    def happens(*_, **__):
        raise error

    return happens


@pytest.mark.parametrize("bug", [ValueError("7 is not 8"), KeyError("size"), RuntimeError("no number")])
def test_a_bug_of_ours_keeps_its_traceback(end_with, bug):
    ended = end_with(raising(bug))
    assert ended.exception is bug  # as Python gets it, which prints the traceback
    assert ended.output == ""


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (UserError("a.csv: is not a list"), "a.csv: is not a list", 1),
        (TwoError("a.csv: is not a list"), "a.csv: is not a list", 2),
        (PermissionError(13, "Permission denied", "a.csv"), "[Errno 13] Permission denied: 'a.csv'", 1),
    ],
)
def test_what_a_user_can_put_right_is_one_line_and_its_exit_code(end_with, error, sentence, code):
    ended = end_with(raising(error))
    assert (ended.output, ended.exit_code) == (f"error: {sentence}\n", code)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.28 TiB for an array with shape (1000000, 1000000)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you ..."
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of"),
    ],
)
def test_short_memory_is_one_line(end_with, error):
    ended = end_with(raising(error))
    assert (ended.output, ended.exit_code) == (
        f"error: memory is short ({error}); close other programs\n",
        1,
    )


def test_short_memory_names_the_options_that_need_less(monkeypatch, tmp_path):
    monkeypatch.setattr("sphereface_plus.path_checks.check_source", raising(MemoryError()))
    ended = CliRunner().invoke(cli, ["embed", "pixels", str(tmp_path), str(tmp_path / "out.npz")])
    assert ended.output == (
        "error: memory is short (MemoryError); close other programs, or take a smaller --batch-size, "
        "or take --device cpu instead of a GPU\n"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_one_line_and_the_code_of_shells(end_with, number, code):
    before = signal.getsignal(signal.SIGTERM)
    ended = end_with(lambda *_, **__: signal.raise_signal(number))
    assert ended.output in ("stopped\n", "stopped: the same command starts from the beginning\n")
    assert ended.exit_code == code
    assert signal.getsignal(signal.SIGTERM) is before


def test_torchrun_ends_its_processes_at_once(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    monkeypatch.setattr(
        "sphereface_plus.commands.settings_help.settings_help",
        lambda: seen.append(signal.getsignal(signal.SIGTERM)) or "",
    )
    assert CliRunner().invoke(cli, ["settings"]).exit_code == 0
    assert seen == [before]


@pytest.mark.parametrize("module", COMMAND_LINES)
def test_a_reader_that_has_left_ends_it_without_a_word(repository, module):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", module, "settings" if module == "sphereface_plus" else "--help"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=repository, text=True)
    os.close(write)
    assert ended.stderr == ""
    assert ended.returncode != 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["sphereface_plus settings", "eval --help", "data_prep align --help"])
def test_output_that_cannot_be_written_is_one_line(repository, command, unbuffered):
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=repository,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            text=True,
        )
    assert ended.stderr == "error: standard output: cannot be written (No space left on device)\n"
    assert ended.returncode == 1


def test_usage_errors_are_click_s(end_with):
    ended = end_with(raising(click.UsageError("give two")))
    assert ended.exit_code == 2
    assert "Error: give two" in ended.output
