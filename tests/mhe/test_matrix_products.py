import pytest
import torch

from sphereface_plus.mhe import matrix_products
from sphereface_plus.mhe.matrix_products import gram_of, inner_products, product


@pytest.fixture(params=[True, False], ids=["convolution", "plain"])
def _each_way(request, monkeypatch):
    monkeypatch.setattr(matrix_products, "_mkl_leaves_avx512_alone", lambda: request.param)


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (7, 3, 5), (64, 40, 96)])
def test_product_is_left_times_right_transposed(n, k, d, dtype):
    left, right = torch.randn(n, d, dtype=dtype), torch.randn(k, d, dtype=dtype)
    exact = left.double() @ right.double().T
    assert product(left, right).dtype == dtype
    assert torch.allclose(
        product(left, right).double(), exact, rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-13
    )


@pytest.mark.usefixtures("_each_way")
def test_product_takes_rows_that_are_not_contiguous():
    left, right = torch.randn(5, 8).T, torch.randn(5, 6).T
    assert torch.allclose(product(left, right), left @ right.T, atol=1e-5)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 200])
def test_a_gram_matrix_of_one_half_is_the_whole_one(count):
    neurons = torch.randn(count, 7, dtype=torch.float64)
    torch.testing.assert_close(gram_of(neurons), neurons @ neurons.T, rtol=1e-13, atol=1e-13)


def test_gradients_are_those_of_the_plain_products():
    neurons = torch.randn(70, 5, dtype=torch.float64, requires_grad=True)
    others = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gram_of, neurons[:6])
    assert torch.autograd.gradgradcheck(gram_of, neurons[:6])
    assert torch.autograd.gradcheck(inner_products, (neurons[:6], others))
    assert torch.autograd.gradgradcheck(inner_products, (neurons[:6], others))
    weight = torch.randn(70, 70, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad((gram_of(neurons) * weight).sum(), neurons),
        torch.autograd.grad(((neurons @ neurons.T) * weight).sum(), neurons),
    )
