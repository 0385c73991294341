import math

import pytest

from sphereface_plus.training.failures import ChanceLevel


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
