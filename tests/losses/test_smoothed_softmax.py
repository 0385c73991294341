import math

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.losses import SmoothedSoftmaxLoss

C, D, B = 5, 4, 7


@pytest.fixture
def batch():
    return 3 * torch.randn(B, D), torch.arange(B) % C


def test_without_deviations_it_is_torchs_cross_entropy(batch):
    loss = SmoothedSoftmaxLoss(C, D)
    output = loss(*batch, 0)
    assert torch.allclose(output.loss, F.cross_entropy(batch[0] @ loss.prototypes.T, batch[1]))
    plain = output.without_margin()
    assert torch.equal(plain.right, (batch[0] @ loss.prototypes.T).argmax(dim=1) == batch[1])
    assert torch.allclose(plain.cross_entropy, output.loss)


def test_label_smoothing_alone_is_torchs(batch):
    loss = SmoothedSoftmaxLoss(C, D, label_smoothing=0.1)
    expected = F.cross_entropy(batch[0] @ loss.prototypes.T, batch[1], label_smoothing=0.1)
    assert torch.allclose(loss(*batch, 0).loss, expected)


def test_the_released_codes_loss_is_its_literal_formula(batch):
    loss = SmoothedSoftmaxLoss(C, D, label_smoothing=0.01, probability_floor=1e-4)
    total = 0.0
    for x, label in zip(batch[0].tolist(), batch[1].tolist(), strict=True):
        logits = [sum(w * v for w, v in zip(row, x, strict=True)) for row in loss.prototypes.tolist()]
        normaliser = sum(math.exp(z) for z in logits)
        for j, z in enumerate(logits):
            target = 0.99 * (j == label) + 0.01 / C
            total -= target * math.log(math.exp(z) / normaliser + 1e-4)
    assert loss(*batch, 0).loss.item() == pytest.approx(total / B, rel=1e-5)


def test_the_floor_bounds_the_loss_of_a_wrong_answer_and_its_gradient_vanishes():
    loss = SmoothedSoftmaxLoss(2, 2, probability_floor=1e-4)
    loss.prototypes.data = torch.tensor([[100.0, 0.0], [0.0, 100.0]])
    output = loss(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), 0)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(-math.log(1e-4), rel=1e-4)
    assert loss.prototypes.grad.norm().item() < 1e-30


def test_prototypes_begin_as_he_initialises():
    assert SmoothedSoftmaxLoss(2000, 256).prototypes.std().item() == pytest.approx(
        math.sqrt(2 / 256), rel=0.01
    )
