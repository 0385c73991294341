import math

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers

from sphereface_plus.losses import TripletLoss

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])


def slow(x, labels, margin, mining):
    """The definition, triplet by triplet; d is the squared distance of unit vectors."""
    rows = [[value / math.hypot(*row) for value in row] for row in x.tolist()]
    d = [[sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) for v in rows] for u in rows]
    labels, violations = labels.tolist(), []
    for a, label in enumerate(labels):
        genuine = [d[a][p] for p in range(len(labels)) if labels[p] == label and p != a]
        impostor = [d[a][n] for n in range(len(labels)) if labels[n] != label]
        if mining == "hard":
            triplets = [(max(genuine), min(impostor))] if genuine else []
        else:
            triplets = [(g, min([i for i in impostor if i > g], default=max(impostor))) for g in genuine]
        violations += [max(0.0, g - i + margin) for g, i in triplets]
    return sum(violations) / len(violations)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
@pytest.mark.parametrize("margin", [0.0, 0.2, 2.0])
def test_the_loss_equals_its_definition_triplet_by_triplet(mining, margin):
    x = torch.randn(10, 3).double()
    loss = TripletLoss(4, 3, mining=mining, margin=margin)
    assert loss(x, LABELS, 0).loss.item() == pytest.approx(slow(x, LABELS, margin, mining))


def oracle(margin):
    distance = distances.LpDistance(normalize_embeddings=True, p=2, power=2)
    return losses.TripletMarginLoss(margin=margin, distance=distance, reducer=reducers.MeanReducer())


def test_hard_mining_equals_metric_learnings():
    x = torch.randn(10, 3)
    mined = miners.BatchHardMiner(distance=distances.LpDistance(normalize_embeddings=True, p=2, power=2))
    expected = oracle(0.2)(x, LABELS, mined(x, LABELS))
    torch.testing.assert_close(TripletLoss(4, 3, mining="hard")(x, LABELS, 0).loss, expected)


def test_metric_learnings_loss_of_the_semi_hard_triplets_is_ours():
    x = torch.randn(10, 3)
    d = torch.cdist(torch.nn.functional.normalize(x), torch.nn.functional.normalize(x)) ** 2
    triplets = []
    for a in range(10):
        for p in range(10):
            if p == a or LABELS[a] != LABELS[p]:
                continue
            impostors = [n for n in range(10) if LABELS[n] != LABELS[a]]
            farther = [n for n in impostors if d[a, n] > d[a, p]]
            nearest = (
                min(farther, key=lambda n: d[a, n]) if farther else max(impostors, key=lambda n: d[a, n])
            )
            triplets.append((a, p, nearest))
    expected = oracle(0.2)(x, LABELS, tuple(torch.tensor(triplets).T))
    torch.testing.assert_close(TripletLoss(4, 3)(x, LABELS, 0).loss, expected)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
def test_the_gradient_is_the_derivative(mining):
    loss, x = TripletLoss(4, 3, mining=mining), torch.randn(10, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS, 0).loss, x)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_triplets_has_loss_0(mining, labels):
    x = torch.randn(len(labels), 3, requires_grad=True)
    output = TripletLoss(4, 3, mining=mining)(x, torch.tensor(labels), 0)
    output.loss.backward()
    assert output.loss.item() == 0
    assert not x.grad.any()
    assert output.without_margin is None


def test_the_length_of_embeddings_changes_nothing():
    loss, x = TripletLoss(4, 3), torch.randn(10, 3).double()
    torch.testing.assert_close(loss(x, LABELS, 0).loss, loss(50 * x, LABELS, 0).loss)


def test_the_log_says_how_many_triplets_still_violate_the_margin():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    output = TripletLoss(2, 2)(x, torch.tensor([0, 0, 1, 1]), 0)
    assert output.loss.item() == output.terms["violating_share"].item() == 0
    output = TripletLoss(2, 2)(x, torch.tensor([0, 1, 0, 1]), 0)
    assert output.terms["violating_share"].item() == 1
    assert output.terms["genuine_distance"].item() == pytest.approx(2)
