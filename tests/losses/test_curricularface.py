import math

import pytest
import torch

from sphereface_plus.losses import ArcFaceLoss, CurricularFaceLoss


def make(**settings):
    return CurricularFaceLoss(7, 5, **settings).double()


def slow_logits(theta, labels, t, scale, margin):
    rows = []
    for row, label in zip(theta, labels.tolist(), strict=True):
        target = math.cos(row[label] + margin)
        logits = []
        for j, angle in enumerate(row):
            cosine = math.cos(angle)
            if j == label:
                logits.append(scale * target)
            elif cosine > target:
                logits.append(scale * cosine * (t + cosine))
            else:
                logits.append(scale * cosine)
        rows.append(logits)
    return rows


def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, cross_entropy, seen):
    loss, (x, labels) = make(scale=20.0, margin_radians=0.4, momentum=0.9), batch()
    loss.t.fill_(0.3)
    theta = angles(x, loss.prototypes.detach())
    mean = sum(math.cos(row[label]) for row, label in zip(theta, labels.tolist(), strict=True)) / len(theta)
    t = 0.9 * 0.3 + 0.1 * mean
    expected = slow_logits(theta, labels, t, 20, 0.4)
    plain = [[20 * math.cos(angle) for angle in row] for row in theta]
    output = seen(loss, x, labels, 0)
    assert loss.t.item() == pytest.approx(t)
    assert output.terms["t"].item() == pytest.approx(t)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(output.plain_logits, torch.tensor(plain, dtype=torch.float64))
    assert output.loss.item() == pytest.approx(cross_entropy(expected, labels))
    assert expected != plain


def test_where_no_negative_is_hard_it_is_arcface():
    loss, labels = make(scale=8.0), torch.arange(5)
    with torch.no_grad():
        loss.prototypes[:5] = torch.eye(5)
        loss.prototypes[5:] = -loss.prototypes[:2]
    x = 5 * loss.prototypes[:5].detach()  # each embedding on its prototype, at right angles to the others
    parent = ArcFaceLoss(7, 5, scale=8.0).double()
    parent.prototypes = loss.prototypes
    torch.testing.assert_close(loss(x, labels, 0).loss, parent(x, labels, 0).loss)


def test_the_gradient_is_the_derivative(batch):
    loss, (x, labels) = make(scale=3.0).eval(), batch(4)

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


def test_t_begins_at_0_and_moves_in_training_only(batch):
    loss, (x, labels) = make(), batch()
    assert loss.t.item() == 0
    loss.eval()(x, labels, 0)
    assert loss.t.item() == 0
    loss.train()(x, labels, 0)
    assert loss.t.item() != 0
    assert "t" in loss.state_dict()
