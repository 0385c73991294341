"""How differences are written."""

from __future__ import annotations

import pytest

from eval.differences import p_text


@pytest.mark.parametrize(
    ("p", "text"), [(0.5, "0.50"), (0.04, "0.0400"), (0.00012, "0.0001"), (3e-9, "< 0.0001")]
)
def test_p_values_have_the_digits_that_mean_something(p, text):
    assert p_text(p) == text
