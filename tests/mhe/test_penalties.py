"""The penalties against their formulas written out."""

from __future__ import annotations

import pytest
import torch

from sphereface_plus.mhe import EnergyTerm, MHERegularizer, orthogonal_penalty, orthonormal_penalty


def test_orthonormal_penalty_is_the_frobenius_norm_of_the_excess_or_its_square():
    weight = torch.randn(4, 6, dtype=torch.float64)
    total = weight.new_zeros(())
    for i in range(4):
        for j in range(4):
            total = total + (weight[i] @ weight[j] - float(i == j)) ** 2
    torch.testing.assert_close(orthonormal_penalty(weight), total)
    torch.testing.assert_close(orthonormal_penalty(weight, squared=False), total.sqrt())


def test_orthogonal_penalty_is_the_sum_of_the_cosines_of_different_neurons_or_of_their_squares():
    weight = torch.randn(4, 6, dtype=torch.float64)
    cosines = [
        torch.cosine_similarity(weight[i], weight[j], dim=0) for i in range(4) for j in range(4) if i != j
    ]
    torch.testing.assert_close(orthogonal_penalty(weight, squared=False), torch.stack(cosines).sum())
    torch.testing.assert_close(orthogonal_penalty(weight), torch.stack(cosines).square().sum())


def test_minima():
    frame = torch.linalg.qr(torch.randn(6, 4, dtype=torch.float64)).Q.T
    assert orthonormal_penalty(frame).item() == pytest.approx(0, abs=1e-24)
    assert orthogonal_penalty(5 * frame).item() == pytest.approx(0, abs=1e-24)
    assert orthonormal_penalty(5 * frame).item() == pytest.approx(4 * 24**2)
    # the words of section 3.7 alone: any balanced set, far from orthogonal
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.1], [-1.0, -0.1]])
    assert orthogonal_penalty(opposite, squared=False).item() == pytest.approx(-4)
    assert orthogonal_penalty(opposite).item() > 10


@pytest.mark.parametrize("penalty", [orthonormal_penalty, orthogonal_penalty])
def test_derivatives_are_right(penalty):
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    for squared in (True, False):
        assert torch.autograd.gradcheck(lambda w, squared=squared: penalty(w, squared=squared), weight)


def test_zero_neurons_and_autocast_do_no_harm():
    weight = torch.randn(4, 8).bfloat16()
    weight[1] = 0
    weight.requires_grad_()
    for penalty in (orthonormal_penalty, orthogonal_penalty):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = penalty(weight)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, penalty(weight.float()))
        (gradient,) = torch.autograd.grad(value, weight)
        assert gradient.isfinite().all()


def test_penalties_take_the_energys_place_in_a_regulariser():
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 3))
    for penalty in (orthonormal_penalty, orthogonal_penalty):
        regularizer = MHERegularizer(model, hidden=EnergyTerm(1e-5, objective=penalty), output=None)
        torch.testing.assert_close(regularizer.penalty(), 1e-5 * penalty(model[0].weight))


def test_kernels_must_be_flattened():
    with pytest.raises(ValueError, match=r"weight must be a floating-point tensor \(N, D\)"):
        orthonormal_penalty(torch.randn(4, 3, 3, 3))
