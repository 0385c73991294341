"""The dense head against its formulas, entry by entry."""

import math

import pytest
import torch

from sphereface_plus.losses.dense_head import DenseHead

PRODUCTS = [[1.0, -2.0, 0.5], [0.3, 0.2, 0.1]]  # (B, C)
LABELS = [2, 0]


@pytest.fixture
def head():
    return DenseHead(torch.eye(2), torch.tensor(LABELS), torch.tensor(PRODUCTS).T)


def test_cross_entropy_is_that_of_changed_and_scaled_products(head, cross_entropy):
    target = [5.0, -6.0]
    logits = [
        [0.1 * (target[i] if j == LABELS[i] else product**2) for j, product in enumerate(row)]
        for i, row in enumerate(PRODUCTS)
    ]
    loss = head.cross_entropy(torch.tensor(target), others=torch.square, scale=0.1)
    assert loss.item() == pytest.approx(cross_entropy(logits, torch.tensor(LABELS)))


def test_cross_entropy_takes_a_scale_for_each_embedding(head, cross_entropy):
    logits = [[2 * product for product in PRODUCTS[0]], [3 * product for product in PRODUCTS[1]]]
    loss = head.cross_entropy(scale=torch.tensor([[2.0], [3.0]]))
    assert loss.item() == pytest.approx(cross_entropy(logits, torch.tensor(LABELS)))


def test_binary_cross_entropy_weighs_targets_and_others_of_all_pairs(head):
    target, total = [0.7, -0.4], 0.0
    for i, row in enumerate(PRODUCTS):
        for j, product in enumerate(row):
            logit = 2 * (target[i] if j == LABELS[i] else product**2) - 0.5
            right = 1 / (1 + math.exp(-logit))
            total -= 0.8 * math.log(right) if j == LABELS[i] else 0.2 * math.log(1 - right)
    settings = {"others": torch.square, "scale": 2.0, "bias": torch.tensor(-0.5), "balance": 0.8}
    assert head.binary_cross_entropy(torch.tensor(target), **settings).item() == pytest.approx(total / 6)


def test_the_targets_product_and_angle_are_those_with_its_prototype(head):
    assert head.target_product().tolist() == pytest.approx([0.5, 0.3])
    angles = [math.atan2(0.1, 0.5), math.atan2(1.0, 0.3)]  # of (0.5, 0.1) to (1, 0), of (1, 0.3) to (0, 1)
    assert head.target_angle().tolist() == pytest.approx(angles)
    assert head.of_labels(torch.tensor([1.0, 2.0, 3.0])).tolist() == [3, 1]


def test_right_is_whose_largest_logit_without_margin_is_the_labels(head, cross_entropy):
    right, entropy = head.without_margin(2.0)
    assert right.tolist() == [False, True]
    logits = [[2 * product for product in row] for row in PRODUCTS]
    assert entropy.item() == pytest.approx(cross_entropy(logits, torch.tensor(LABELS)))


def test_without_margin_every_product_changes_alike(head, cross_entropy):
    right, entropy = head.without_margin(2.0, each=torch.negative, bias=torch.tensor(7.0, requires_grad=True))
    assert right.tolist() == [False, False]  # -(-2.0) and -0.1 are the largest
    logits = [[7 - 2 * product for product in row] for row in PRODUCTS]
    assert entropy.item() == pytest.approx(cross_entropy(logits, torch.tensor(LABELS)))
    assert not entropy.requires_grad
