"""The contract of a head: a second one gives every loss the same numbers, and no loss asks for more."""

import pytest
import torch

from sphereface_plus.losses import SmoothedSoftmaxLoss, streaming
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import Head
from sphereface_plus.losses.streamed_head import StreamedHead
from tests.losses.chunked_head import ChunkedHead
from tests.losses.settings import SETTINGS, C, D, make, name_of

SMOOTHED = [
    {"kind": "smoothed_softmax", "label_smoothing": smoothing, "probability_floor": floor}
    for smoothing in (0.0, 0.1)
    for floor in (0.0, 1e-4)
]
WITH_A_HEAD = [settings for settings in SETTINGS if settings["kind"] != "triplet"] + SMOOTHED


def make_with(head, settings):
    if settings["kind"] != "smoothed_softmax":
        return make(settings, head)
    loss = SmoothedSoftmaxLoss(C, D, **{name: settings[name] for name in settings if name != "kind"})
    loss.head = head
    return loss


def two_updates(loss, batches):
    """Every number that a training sees: losses, gradients, terms, counts, and the state that is left."""
    seen = {}
    for step, (x, labels) in zip((0, 300), batches, strict=True):
        leaf = x.clone().requires_grad_()
        output = loss(leaf, labels, step)
        tensors = {"x": leaf, **dict(loss.named_parameters())}
        gradients = torch.autograd.grad(output.loss, list(tensors.values()))
        seen |= {f"{step} gradient of {name}": g for name, g in zip(tensors, gradients, strict=True)}
        seen |= {f"{step} {name}": value for name, value in output.terms.items()}
        seen |= {f"{step} loss": output.loss}
        seen |= {f"{step} {name}": value for name, value in output.without_margin()._asdict().items()}
        with torch.no_grad():
            for parameter, gradient in zip(loss.parameters(), gradients[1:], strict=True):
                parameter -= 0.01 * gradient
    return seen | loss.state_dict()


@pytest.mark.parametrize("head", [ChunkedHead, StreamedHead])
@pytest.mark.parametrize("settings", WITH_A_HEAD, ids=name_of)
def test_a_head_without_the_products_of_all_classes_can_take_the_place_of_the_dense_one(
    settings, head, monkeypatch
):
    monkeypatch.setitem(streaming.CHUNK_NUMBERS, "cpu", 12 * 3)  # three of the prototypes at a time
    dense, chunked = (make_with(head, settings).double() for head in (DenseHead, head))
    chunked.load_state_dict(dense.state_dict())
    batches = [(3 * torch.randn(12, D, dtype=torch.float64), torch.arange(12) % C) for _ in range(2)]
    expected, found = two_updates(dense, batches), two_updates(chunked, batches)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-9, atol=1e-12), name


def test_losses_call_all_that_the_contract_has_and_nothing_else():
    called = set()

    class Recorded:
        def __init__(self, *arguments, **settings):
            self._head = DenseHead(*arguments, **settings)

        def __getattr__(self, name):
            called.add(name)
            return getattr(self._head, name)

    for settings in WITH_A_HEAD:
        output = make_with(Recorded, settings)(torch.randn(12, D), torch.arange(12) % C, 0)
        output.without_margin()
    contract = {name for name in vars(Head) if not name.startswith("_")}
    assert called == contract
    assert contract == {name for name in vars(DenseHead) if not name.startswith("_")}


@pytest.mark.parametrize("settings", WITH_A_HEAD, ids=name_of)
def test_a_rule_takes_any_columns_and_is_differentiated_by_them_alone(settings):
    """So that a head may ask for a chunk of classes at a time, and again in its backward."""
    rules = []

    class Watched(DenseHead):
        def cross_entropy(self, target=None, *, others=None, scale=None):
            rules.append(others)
            return super().cross_entropy(target, others=others, scale=scale)

        def binary_cross_entropy(self, target, *, others, **settings):
            rules.append(others)
            return super().binary_cross_entropy(target, others=others, **settings)

    loss = make_with(Watched, settings)
    x = torch.randn(12, D, requires_grad=True)
    loss(x, torch.arange(12) % C, 0)
    for rule in [rule for rule in rules if rule is not None]:
        products = (2 * torch.rand(12, 3) - 1).requires_grad_()
        changed = rule(products)
        assert torch.equal(rule(products[:, 1:2]), changed[:, 1:2])
        leaves = [products, x, *loss.parameters()]
        by_products, *by_others = torch.autograd.grad(changed.sum(), leaves, allow_unused=True)
        assert by_products.any()
        assert by_others == [None] * len(by_others)


def test_triplet_has_no_head_to_replace():
    loss = make({"kind": "triplet"}, ChunkedHead)
    assert not hasattr(loss, "head")
    assert loss(torch.randn(4, D), torch.tensor([0, 0, 1, 1]), 0).without_margin is None


@pytest.mark.parametrize("head", [DenseHead, StreamedHead, ChunkedHead])
def test_a_network_that_gives_all_the_same_is_right_of_nobody(head):
    """Where all logits are equal, none is the largest: an accuracy of 1 would hide the collapse."""
    made = head(torch.zeros(8, D), torch.arange(8) % C, torch.randn(C, D))
    assert not made.without_margin(30.0).right.any()
