import math

import pytest
import torch

from sphereface_plus.losses import AdaFaceLoss, AMSoftmaxLoss
from sphereface_plus.losses.adaface import adaptive_target, quality


def make(**settings):
    return AdaFaceLoss(7, 5, **settings).double()


def test_the_loss_equals_its_formula_entry_by_entry(batch, angles, cross_entropy, seen):
    loss, (x, labels) = make(scale=20.0, margin=0.4, concentration=0.5, momentum=0.8), batch()
    theta = angles(x, loss.prototypes.detach())
    lengths = [math.hypot(*row) for row in x.tolist()]
    mean = sum(lengths) / len(lengths)
    deviation = math.sqrt(sum((length - mean) ** 2 for length in lengths) / len(lengths))
    running_mean, running_deviation = 0.8 * 20 + 0.2 * mean, 0.8 * 100 + 0.2 * deviation
    expected = []
    for row, label, length in zip(theta, labels.tolist(), lengths, strict=True):
        unit = max(-1.0, min(1.0, (length - running_mean) / (running_deviation + 1e-3) * 0.5))
        logits = [20 * math.cos(angle) for angle in row]
        logits[label] = 20 * (math.cos(row[label] - 0.4 * unit) - (0.4 * unit + 0.4))
        expected.append(logits)
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, torch.tensor(expected, dtype=torch.float64))
    assert output.loss.item() == pytest.approx(cross_entropy(expected, labels))
    assert loss.length_mean.item() == pytest.approx(running_mean)
    assert loss.length_deviation.item() == pytest.approx(running_deviation)


def test_the_margin_is_arcfaces_cosfaces_or_both_by_quality():
    theta = torch.tensor([0.9, 0.9, 0.9], dtype=torch.float64)
    target = adaptive_target(theta, torch.tensor([-1.0, 0.0, 1.0]).double(), 0.4)
    expected = [math.cos(0.9 + 0.4), math.cos(0.9) - 0.4, math.cos(0.9 - 0.4) - 0.8]
    assert target.tolist() == pytest.approx(expected)


def test_quality_is_cut_at_one_in_both_directions():
    cut = quality(torch.tensor([0.0, 20.0, 22.0, 90.0]), torch.tensor(20.0), torch.tensor(4.0 - 1e-3), 1.0)
    torch.testing.assert_close(cut, torch.tensor([-1.0, 0.0, 0.5, 1.0]))


def test_without_margin_it_is_the_normalised_softmax(batch):
    loss, (x, labels) = make(scale=16.0, margin=0.0), batch()
    parent = AMSoftmaxLoss(7, 5, scale=16.0, margin_cosine=0.0).double()
    parent.prototypes = loss.prototypes
    torch.testing.assert_close(loss(x, labels, 0).loss, parent(x, labels, 0).loss)


def test_the_length_gets_no_gradient(batch):
    loss, (x, labels) = make(), batch()
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_(), labels, 0).loss, x)
    along = (gradient * x.detach()).sum(1) / x.detach().norm(dim=1)
    torch.testing.assert_close(along, torch.zeros_like(along))


def test_equal_lengths_have_no_deviation_and_still_a_loss():
    loss = AdaFaceLoss(3, 4, momentum=0.0)
    x = 30 * torch.nn.functional.normalize(torch.randn(6, 4))
    output = loss(x, torch.arange(6) % 3, 0)
    assert loss.length_deviation.item() == pytest.approx(0, abs=1e-4)
    assert output.loss.isfinite()
