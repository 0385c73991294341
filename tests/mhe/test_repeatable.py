"""Rows that are added, against a loop; the second way on a tensor that says it were on a GPU."""

import pytest
import torch

from sphereface_plus.mhe.repeatable import add_rows


class OnGPU(torch.Tensor):
    is_cuda = True


@pytest.mark.parametrize("kind", [torch.Tensor, OnGPU])
def test_rows_are_added_as_often_as_they_are_named(kind):
    rows, values = torch.tensor([2, 0, 2, 2]), torch.randn(4, 3)
    table = torch.randn(5, 3)
    expected = table.clone()
    for row, value in zip(rows, values, strict=True):
        expected[row] += value
    found = table.as_subclass(kind)
    assert add_rows(found, rows, values) is found
    torch.testing.assert_close(found.as_subclass(torch.Tensor), expected)
