"""No name in proposals.csv is taken for a formula."""

from __future__ import annotations

import pytest

from data_prep.doctor.spreadsheet import quoted, unquoted

NAMES = ("=1+1", "+49", "-x", "@SUM(A1)", "'=1", "''-", " =1", "'Ann", "\t=1", "a=1", "'", "")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_taken_for_a_formula_and_each_comes_back_exactly(name):
    assert not quoted(name).lstrip().startswith(("=", "+", "-", "@"))
    assert unquoted(quoted(name)) == name
