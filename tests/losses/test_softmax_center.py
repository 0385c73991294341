import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.losses import SoftmaxCenterLoss, SoftmaxLoss


def make(**settings):
    return SoftmaxCenterLoss(7, 5, **settings).double()


def test_the_loss_is_softmax_plus_half_the_squared_distance_to_the_centre(batch, seen):
    loss, (x, labels) = make(center_weight=0.1), batch()
    logits = x @ loss.prototypes.detach().T + loss.bias.detach()
    center = sum(
        sum((a - b) ** 2 for a, b in zip(row, loss.centers[label].tolist(), strict=True)) / 2
        for row, label in zip(x.tolist(), labels.tolist(), strict=True)
    ) / len(x)
    output = seen(loss, x, labels, 0)
    assert output.terms["center"].item() == pytest.approx(center)
    assert output.loss.item() == pytest.approx(F.cross_entropy(logits, labels).item() + 0.1 * center)
    torch.testing.assert_close(output.logits, logits)


def test_centres_move_as_the_paper_says_after_they_were_used(batch):
    loss, (x, labels) = make(center_rate=0.3), batch(9)
    before = loss.centers.clone()
    loss(x, labels, 0)
    for j in range(7):
        own = [row for row, label in zip(x, labels, strict=True) if label == j]
        difference = sum(before[j] - row for row in own) / (1 + len(own)) if own else 0
        torch.testing.assert_close(loss.centers[j], before[j] - 0.3 * difference)


def test_without_the_centre_term_it_is_softmax(batch):
    loss, (x, labels) = make(center_weight=0.0), batch()
    parent = SoftmaxLoss(7, 5, bias=True).double()
    parent.prototypes = loss.prototypes
    torch.testing.assert_close(loss(x, labels, 0).loss, parent(x, labels, 0).loss)


def test_the_gradient_is_the_derivative(batch):
    loss, (x, labels) = make(center_weight=0.1).eval(), batch(4)
    x = x / 8

    def value(x, prototypes, bias):
        weights = {"prototypes": prototypes, "bias": bias}
        return torch.func.functional_call(loss, weights, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes, loss.bias))


def test_centres_are_a_buffer_that_no_optimizer_sees():
    loss = SoftmaxCenterLoss(7, 5, bias=False)
    assert [name for name, _ in loss.named_parameters()] == ["prototypes"]
    assert "centers" in loss.state_dict()
