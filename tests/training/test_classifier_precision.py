"""The learner in bf16 and fp16, compiled, and in another memory layout."""

import copy

import pytest
import torch

from sphereface_plus.training.failures import NonFiniteError
from tests.training.learners import batch, in_float64, largest_difference, weights


@pytest.mark.parametrize("channels_last", [False, True])
def test_bf16_runs_the_network_under_autocast_and_the_loss_in_fp32(build, channels_last):
    settings = {"train.channels_last": channels_last}
    exact, rounded = build(**settings), build(**settings, **{"train.precision": "bf16"})
    seen = {}
    rounded.network.module.stages[0].down.register_forward_hook(
        lambda module, inputs, output: seen.update(network=output.dtype)
    )
    rounded.loss.register_forward_pre_hook(
        lambda module, inputs: seen.update(loss=inputs[0].dtype, autocast=torch.is_autocast_enabled("cpu"))
    )
    expected, got = exact.update(batch(), 0), rounded.update(batch(), 0)
    assert seen == {"network": torch.bfloat16, "loss": torch.float32, "autocast": False}
    assert float(got["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-2)
    assert float(got["loss"]) != float(expected["loss"])


def test_memory_layout_changes_no_number_beyond_rounding(build):
    """Rounding is what float32 itself is off: the distance to the same three updates in float64."""
    first, second = build(**{"train.channels_last": False}), build(**{"train.channels_last": True})
    exact = in_float64(build())
    for step in range(3):
        for learner in (first, second, exact):
            learner.update(batch(), step)
    rounding = largest_difference(weights(first), weights(exact))
    assert 0 < rounding < 1e-4
    assert largest_difference(weights(second), weights(exact)) < 4 * rounding


@pytest.mark.slow
def test_compiled_network_makes_the_same_update_under_the_same_names(build):
    plain, compiled = build(), build(**{"train.compile": True})
    plain.update(batch(), 0)
    compiled.update(batch(), 0)
    assert list(plain.state_dict()["network"]) == list(compiled.state_dict()["network"])
    assert largest_difference(weights(plain), weights(compiled)) < 1e-5


def test_fp16_makes_nearly_the_update_of_fp32_and_its_state_carries_the_scale(build):
    exact, scaled = build(), build(**{"train.precision": "fp16"})
    scaled.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
    expected = [exact.update(batch(), step) for step in range(3)]
    got = [scaled.update(batch(), step) for step in range(3)]
    assert [float(scalars["loss_scale"]) for scalars in got] == [2.0**10, 2.0**10, 2.0**11]
    for ours, theirs in zip(got, expected, strict=True):
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-2)
        assert float(ours["gradient_norm"]) == pytest.approx(float(theirs["gradient_norm"]), rel=2e-2)
    again = build(**{"train.precision": "fp16"})
    again.load_state_dict(copy.deepcopy(scaled.state_dict()))
    assert again.optimizer.scaler.get_scale() == 2.0**11
    scaled.update(batch(), 3)
    again.update(batch(), 3)
    assert largest_difference(weights(scaled), weights(again)) == 0


def test_a_scale_that_is_too_large_costs_a_step_and_is_halved(build):
    learner = build(**{"train.precision": "fp16"})
    learner.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = weights(learner)
    scalars = learner.update(batch(), 0)
    assert largest_difference(before, weights(learner)) == 0
    assert "gradient_norm" not in scalars
    assert learner.optimizer.scaler.get_scale() == 2.0**39
    assert not learner.optimizer.sgd.state  # no momentum of a step that was not made


def test_a_gradient_that_is_infinite_unscaled_has_diverged(build):
    learner = build(**{"train.precision": "fp16"})
    learner.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    learner.network.module.embed.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NonFiniteError, match="step 4: the gradient is not finite"):
        learner.update(batch(), 4)
