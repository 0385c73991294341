import pytest

from sphereface_plus.training.schedules import learning_rate


def test_rate_falls_by_decay_at_each_milestone():
    # SphereFace's solver: 0.1, times 0.1 at 16,000 and 24,000
    def rate(step):
        return learning_rate(step, base=0.1, milestones=(16_000, 24_000), decay=0.1)

    assert rate(0) == rate(15_999) == 0.1
    assert rate(16_000) == rate(23_999) == pytest.approx(0.01)
    assert rate(24_000) == rate(27_999) == pytest.approx(0.001)


def test_warm_up_rises_linearly_and_ends_at_the_full_rate():
    rates = [learning_rate(step, base=1.0, warmup_steps=4) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
