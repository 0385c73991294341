import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import distances, losses, reducers

from sphereface_plus.losses import SoftmaxContrastiveLoss, SoftmaxLoss
from sphereface_plus.losses.softmax_contrastive import contrastive


def test_the_term_equals_its_formula_pair_by_pair():
    x, labels, margin = torch.randn(8, 3).double(), torch.tensor([0, 0, 1, 1, 2, 2, 2, 3]), 2.0
    genuine, impostor = [], []
    for i in range(8):
        for j in range(i + 1, 8):
            distance = math.dist(x[i].tolist(), x[j].tolist())
            if labels[i] == labels[j]:
                genuine.append(distance**2 / 2)
            else:
                impostor.append(max(margin - distance, 0) ** 2 / 2)
    expected = sum(genuine) / len(genuine) + sum(impostor) / len(impostor)
    assert contrastive(x, labels, margin).item() == pytest.approx(expected)


def test_the_genuine_part_is_half_of_metric_learnings_contrastive_loss_of_squared_distances():
    x, labels = torch.randn(8, 3), torch.tensor([0, 0, 1, 1, 2, 2, 2, 3])
    oracle = losses.ContrastiveLoss(
        pos_margin=0,
        neg_margin=0,
        distance=distances.LpDistance(normalize_embeddings=False, p=2, power=2),
        reducer=reducers.MeanReducer(),
    )
    torch.testing.assert_close(contrastive(x, labels, 1e-6), oracle(x, labels) / 2)


def test_without_its_weight_it_is_softmax(batch):
    loss, (x, labels) = SoftmaxContrastiveLoss(7, 5, contrastive_weight=0.0).double(), batch()
    parent = SoftmaxLoss(7, 5, bias=True).double()
    parent.prototypes = loss.prototypes
    torch.testing.assert_close(loss(x, labels, 0).loss, parent(x, labels, 0).loss)


def test_the_weighted_term_is_added(batch):
    loss, (x, labels) = SoftmaxContrastiveLoss(7, 5, contrastive_weight=0.3, margin=20.0).double(), batch()
    output = loss(x, labels, 0)
    softmax = F.cross_entropy(x @ loss.prototypes.detach().T, labels)
    torch.testing.assert_close(output.loss, softmax + 0.3 * contrastive(x, labels, 20.0))
    torch.testing.assert_close(output.terms["softmax"], softmax)


def test_the_gradient_is_the_derivative():
    x = torch.randn(6, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: contrastive(x, torch.tensor([0, 0, 1, 1, 2, 2]), 2.0), x)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_pairs_of_a_kind_has_no_term_for_it(labels):
    x = torch.ones(len(labels), 3, requires_grad=True)
    term = contrastive(x, torch.tensor(labels), 1.0)
    term.backward()
    assert term.item() == (0.5 if labels == [0, 1, 2] else 0)
    assert x.grad.isfinite().all()
