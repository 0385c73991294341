import pytest
import torch

from sphereface_plus.mhe.product import product


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (7, 3, 5), (64, 40, 96)])
def test_product_is_left_times_right_transposed(n, k, d, dtype):
    left, right = torch.randn(n, d, dtype=dtype), torch.randn(k, d, dtype=dtype)
    exact = left.double() @ right.double().T
    assert product(left, right).dtype == dtype
    assert torch.allclose(
        product(left, right).double(), exact, rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-13
    )


def test_product_takes_rows_that_are_not_contiguous():
    left, right = torch.randn(5, 8).T, torch.randn(5, 6).T
    assert torch.allclose(product(left, right), left @ right.T, atol=1e-5)
