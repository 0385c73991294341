"""A batch, slow angles and slow cross-entropy, and what a loss's head takes the entropy of."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

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
def assert_same():
    """assert_same(loss, parent, x, labels): both have one value and gradient, with the loss's prototypes."""

    def same(loss, parent, x, labels):
        parent.prototypes = loss.prototypes
        x.requires_grad_()
        values = [module(x, labels, 0).loss for module in (loss, parent)]
        torch.testing.assert_close(*values)
        ours, theirs = (torch.autograd.grad(value, (x, loss.prototypes)) for value in values)
        torch.testing.assert_close(ours, theirs)

    return same


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


@pytest.fixture
def seen(monkeypatch):
    """seen(loss, x, labels, step) -> its loss and terms, and the logits (B, C) that its head keeps to itself:
    `logits`, of which the loss took the entropy, and `plain_logits`, of which it counts without margin."""
    entered = []

    def watched(name):
        entropy = getattr(F, name)

        def entropy_of(logits, *arguments, **settings):
            entered.append(logits)
            return entropy(logits, *arguments, **settings)

        return entropy_of

    for name in ("cross_entropy", "binary_cross_entropy_with_logits"):
        monkeypatch.setattr(F, name, watched(name))

    def look(loss, x, labels, step):
        entered.clear()
        output = loss(x, labels, step)
        plain = output.without_margin()
        with_margin, without = entered
        assert not plain.cross_entropy.requires_grad
        assert torch.equal(plain.right, without.argmax(dim=1) == labels)
        return SimpleNamespace(
            loss=output.loss, terms=output.terms, logits=with_margin.detach(), plain_logits=without.detach()
        )

    return look


@pytest.fixture
def assert_margin_without_gradient(batch, seen):
    """assert_margin_without_gradient(make, slope): a loss with detached margin has the exact one's value, and
    the gradient of the plain cosines times slope(logits, labels) (B, C), the loss's derivative by them."""

    def check(make, slope):
        loss, (x, labels) = make(gradient="detached"), batch()
        exact = make()
        exact.load_state_dict(loss.state_dict())
        torch.testing.assert_close(loss(x, labels, 0).loss, exact(x, labels, 0).loss)
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x, labels, 0).loss, x)
        cosine = F.normalize(x) @ F.normalize(loss.prototypes.detach()).T
        slopes = slope(seen(exact, x, labels, 0).logits, labels)
        (expected,) = torch.autograd.grad((cosine * slopes).sum(), x)
        torch.testing.assert_close(gradient, expected)

    return check
