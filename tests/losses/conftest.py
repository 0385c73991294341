"""A batch, slow angles and slow cross-entropy, for the tests of the losses."""

import math

import pytest
import torch

C, D = 7, 5


@pytest.fixture
def batch():
    """batch(count) -> embeddings (count, 5) in float64 of lengths about 20, and labels of 7 identities."""

    def make(count=12):
        return 8 * torch.randn(count, D, dtype=torch.float64), torch.arange(count) % C

    return make


@pytest.fixture
def angles():
    """angles(x, w) -> angle of each row of x with each row of w, as nested lists, by math.acos."""

    def slow(x, w):
        def angle(a, b):
            dot = sum(p * q for p, q in zip(a, b, strict=True))
            return math.acos(dot / math.hypot(*a) / math.hypot(*b))

        return [[angle(a, b) for b in w.tolist()] for a in x.tolist()]

    return slow


@pytest.fixture
def cross_entropy():
    """cross_entropy(logits, labels) -> the mean of nested lists, by math.exp and math.log."""

    def slow(logits, labels):
        losses = [
            math.log(sum(math.exp(z - max(row)) for z in row)) + max(row) - row[label]
            for row, label in zip(logits, labels.tolist(), strict=True)
        ]
        return sum(losses) / len(losses)

    return slow
