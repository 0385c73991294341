from dataclasses import replace

import pytest

from sphereface_plus.losses.annealing import Annealing

SPHEREFACE = Annealing(base=1000, gamma=0.12, power=1, minimum=5)


@pytest.mark.parametrize(
    ("update", "value"),
    [(1, 892.857), (10, 454.545), (100, 76.923), (500, 16.393), (1000, 8.2645), (1658, 5.0010), (1659, 5)],
)
def test_lambda_takes_spherefaces_published_values(update, value):
    # The released counter stands at 1 in the first update, which is step 0.
    assert SPHEREFACE(update - 1) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("update", "value"), [(1, 900.90), (10, 476.19), (100, 83.333), (500, 17.857), (1000, 9.009)]
)
def test_lambda_takes_the_values_of_the_margin_2_and_3_fine_tuning(update, value):
    assert replace(SPHEREFACE, gamma=0.11)(update - 1) == pytest.approx(value, rel=1e-4)


def test_lambda_reaches_its_minimum_and_stays_there():
    assert SPHEREFACE(1657) > 5
    assert SPHEREFACE(1658) == 5
    assert SPHEREFACE(10**6) == 5


def test_the_fine_tuning_of_sphereface_plus_starts_at_the_minimum():
    assert replace(SPHEREFACE, start=2000)(0) == 5


def test_start_shifts_the_schedule():
    assert replace(SPHEREFACE, start=40)(3) == SPHEREFACE(43)


def test_the_power_is_an_exponent():
    # L-Softmax's MNIST schedule: base 1000, gamma 2.5e-5, power 35
    schedule = Annealing(base=1000, gamma=2.5e-5, power=35, minimum=0)
    assert schedule(9_999) == pytest.approx(1000 / 1.25**35)
