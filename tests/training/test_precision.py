"""train.precision: auto takes what the hardware is fast in; fp16 scales its loss; a resume keeps its own."""

import pytest
import torch
import yaml

from sphereface_plus import checkpoint, precision
from sphereface_plus.config import ConfigError
from sphereface_plus.precision import Choice, cpu_has_bf16, fastest, slowdown
from sphereface_plus.processes import Processes
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.precision import settle
from sphereface_plus.training.run import train

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
ALONE = Processes(0, 1, CPU)


@pytest.fixture
def of_cpu(monkeypatch):
    """of_cpu(native) makes the CPU one with bf16, without (False), or one that cannot be asked (None)."""

    def make(native, factor=12.0):
        monkeypatch.setattr(precision, "cpu_has_bf16", lambda: native)
        monkeypatch.setattr(precision, "slowdown", lambda device, name: factor)

    return make


@pytest.mark.parametrize(
    ("native", "factor", "expected", "reason"),
    [
        (True, 12.0, "bf16", "for which this CPU has instructions"),
        (False, 0.5, "fp32", "as this CPU has no instructions for bf16"),
        (None, 0.5, "bf16", "measured to take 0.50 times as long as fp32 on this CPU"),
        (None, 2.6, "fp32", "as bf16 was measured to take 2.6 times as long on this CPU"),
    ],
)
def test_a_cpu_takes_bf16_where_it_has_it_or_else_where_it_was_measured_to_be_faster(
    of_cpu, native, factor, expected, reason
):
    of_cpu(native, factor)
    assert fastest(CPU) == Choice(expected, reason)


@pytest.mark.parametrize(
    ("bf16", "capability", "expected"),
    [(True, (8, 0), "bf16"), (False, (7, 5), "fp16"), (False, (7, 0), "fp16"), (False, (6, 1), "fp32")],
)
def test_a_gpu_takes_bf16_or_fp16_where_its_tensor_cores_have_it(monkeypatch, bf16, capability, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert fastest(GPU).precision == expected


@pytest.mark.parametrize("name", precision.NARROWED_BY)
def test_a_cpu_that_a_variable_narrows_is_measured(monkeypatch, name):
    monkeypatch.setenv(name, "AVX2")
    assert cpu_has_bf16() is None


def test_this_cpu_is_decided_without_touching_the_random_stream():
    before = torch.get_rng_state()
    assert fastest(CPU).precision in ("fp32", "bf16")
    assert slowdown(CPU, "bf16", repeats=1) > 0
    assert torch.equal(before, torch.get_rng_state())


def test_auto_is_said_and_stands_in_the_runs_config_and_checkpoint(tiny, tmp_path, of_cpu, capsys):
    of_cpu(True)
    train(tiny(**{"train.precision": "auto", "train.steps": 6}), tmp_path / "run")
    assert "precision: bf16, for which this CPU has instructions\n" in capsys.readouterr().err
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["train"]["precision"] == "bf16"
    assert checkpoint.load(tmp_path / "run")["config"]["train"]["precision"] == "bf16"


def test_a_resumed_run_keeps_what_it_began_in_and_says_what_that_costs_here(tiny, tmp_path, of_cpu, capsys):
    def settings(steps, asked="auto"):
        return tiny(**{"train.precision": asked, "train.steps": steps})

    of_cpu(True)
    train(settings(12), tmp_path / "whole")
    train(settings(8), tmp_path / "parts")
    of_cpu(False, factor=12.3)
    capsys.readouterr()
    train(settings(12), tmp_path / "parts", resume=True)
    assert (
        "warning: the run is in bf16, which this CPU emulates: a convolution takes 12.3 times as long as in "
        "fp32; it began on a machine that is faster at it: go on there\n"
    ) in capsys.readouterr().err
    whole, parts = checkpoint.load(tmp_path / "whole"), checkpoint.load(tmp_path / "parts")
    assert all(torch.equal(whole["network"][name], parts["network"][name]) for name in whole["network"])
    with pytest.raises(RunError, match=r"train\.precision \(was bf16, now fp32\)"):
        train(settings(16, "fp32"), tmp_path / "parts", resume=True)


def test_bf16_that_is_emulated_warns_with_the_measured_factor(tiny, of_cpu):
    of_cpu(False, factor=7.94)
    config, warning = settle(tiny(**{"train.precision": "bf16"}), ALONE)
    assert config.train.precision == "bf16"
    assert warning == (
        "warning: the run is in bf16, which this CPU emulates: a convolution takes 7.9 times as long as in "
        "fp32; --set train.precision=auto takes what is fast here"
    )


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_what_was_asked_for_and_costs_nothing_says_nothing(tiny, of_cpu, asked):
    of_cpu(True)
    config = tiny(**{"train.precision": asked})
    assert settle(config, ALONE) == (config, None)


def test_fp16_without_cuda_is_refused(tiny):
    with pytest.raises(ConfigError, match=r"train\.precision fp16 needs CUDA, and this is the CPU; set"):
        settle(tiny(**{"train.precision": "fp16"}), ALONE)
    with pytest.raises(ConfigError, match="go on where it began, or start a new run with --out"):
        settle(tiny(**{"train.precision": "auto"}), ALONE, begun="fp16")


class Several(Processes):
    """One of processes of which others have these precisions."""

    others: tuple[str, ...] = ()

    def any(self, flag):
        # asked in this order: is one's fp32, is one's bf16, is one's fp16
        asked = ("fp32", "bf16", "fp16")[self.calls]
        self.calls += 1
        return flag or asked in self.others


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        ("bf16", ("bf16",), "bf16"),
        ("bf16", ("fp32",), "fp32"),
        ("fp32", ("bf16",), "fp32"),
        ("bf16", ("fp16",), "fp16"),
        ("fp16", ("bf16",), "fp16"),
    ],
)
def test_processes_on_different_hardware_agree_on_what_all_are_fast_in(mine, others, expected):
    processes = Several(1, 2, CPU)
    object.__setattr__(processes, "others", others)
    object.__setattr__(processes, "calls", 0)
    assert precision.that_all_have(mine, processes) == expected
