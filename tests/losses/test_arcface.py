import math

import pytest
import torch

from sphereface_plus.losses import AMSoftmaxLoss, ArcFaceLoss


def make(**settings):
    return ArcFaceLoss(7, 5, **settings).double()


def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, cross_entropy, seen):
    loss, (x, labels) = make(scale=20.0, margin_radians=0.4), batch()
    theta = angles(x, loss.prototypes.detach())
    expected = [
        [20 * math.cos(angle + 0.4 * (j == label)) for j, angle in enumerate(row)]
        for row, label in zip(theta, labels.tolist(), strict=True)
    ]
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    assert output.loss.item() == pytest.approx(cross_entropy(expected, labels))
    torch.testing.assert_close(output.plain_logits, 20 * torch.tensor(theta, dtype=torch.float64).cos())


def test_the_gradient_is_the_derivative(batch):
    loss, (x, labels) = make(scale=3.0), batch(4)

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


@pytest.mark.parametrize("gradient", ["exact", "detached"])
def test_without_margin_it_is_the_normalised_softmax_in_value_and_gradient(batch, assert_same, gradient):
    loss, (x, labels) = make(scale=16.0, margin_radians=0.0, gradient=gradient), batch()
    parent = AMSoftmaxLoss(7, 5, scale=16.0, margin_cosine=0.0).double()
    assert_same(loss, parent, x, labels)


def test_detached_has_the_same_value_and_the_gradient_of_a_constant_margin(assert_margin_without_gradient):
    def slope(logits, labels):
        slope = torch.softmax(logits, dim=1)  # d CE / d logits, plus -1 at the target
        slope[torch.arange(len(labels)), labels] -= 1
        return 64 * slope / len(labels)

    assert_margin_without_gradient(make, slope)


@pytest.mark.parametrize("angle", [0.0, 1e-4, math.pi - 1e-4, math.pi])
def test_the_gradient_is_finite_at_both_ends(angle):
    loss = ArcFaceLoss(2, 2)
    with torch.no_grad():
        loss.prototypes.copy_(torch.eye(2))
    x = 9 * torch.tensor([[math.cos(angle), math.sin(angle)]])
    loss(x.requires_grad_(), torch.tensor([0]), 0).loss.backward()
    assert x.grad.isfinite().all()
    assert loss.prototypes.grad.isfinite().all()


def test_embeddings_of_another_size_are_refused():
    with pytest.raises(ValueError, match="embeddings have 6 dimensions, the loss's prototypes 5"):
        make()(torch.randn(2, 6).double(), torch.tensor([0, 1]), 0)
