import math

import pytest
import torch

from sphereface_plus.training.failures import ChanceLevel, explained
from sphereface_plus.training.folder import RunError


def test_a_loss_that_stays_at_ln_c_is_called_chance_level_once():
    chance = ChanceLevel(100, steps=200)
    warnings = [chance.warning(step, math.log(100) * 1.005) for step in range(0, 1000, 10)]
    assert [number for number, warning in enumerate(warnings) if warning] == [20]
    assert "since step 0 the loss has been ln(100) = 4.605, what guessing gives. Try" in warnings[20]


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_a_loss_off_the_level_begins_the_count_anew(factor):
    chance = ChanceLevel(100, steps=200)
    losses = [math.log(100)] * 20 + [math.log(100) * factor] + [math.log(100)] * 20
    assert not any(chance.warning(10 * number, loss) for number, loss in enumerate(losses))


def test_few_log_lines_are_not_enough_for_the_warning():
    chance = ChanceLevel(100, steps=200)
    assert [bool(chance.warning(step, math.log(100))) for step in (0, 200, 400, 600, 800)] == [False] * 4 + [
        True
    ]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you ..."
        ),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"),
        MemoryError("Unable to allocate 7.28 TiB"),
    ],
)
def test_short_memory_is_a_sentence_with_what_to_make_smaller(tiny, error):
    with (
        pytest.raises(
            RunError, match=r"memory is short \(.*\); lower train\.batch_size, or raise train\.acc"
        ),
        explained(tiny()),
    ):
        raise error


def test_other_errors_are_left_as_they_are(tiny):
    for error in (RuntimeError("size mismatch"), ValueError("7"), ConnectionResetError("of something else")):
        with pytest.raises(type(error), match=str(error)) as raised, explained(tiny()):
            raise error
        assert raised.value is error
