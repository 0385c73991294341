"""A head for a sample of the prototypes: what it draws, and that a loss sees these and no others."""

from itertools import combinations

import pytest
import torch

from sphereface_plus.losses import SmoothedSoftmaxLoss
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.streamed_head import StreamedHead
from tests.losses.settings import SETTINGS, C, D, make, name_of

LABELS = torch.tensor([5, 2, 5, 0])
WITH_A_HEAD = [settings for settings in SETTINGS if settings["kind"] != "triplet"]


def drawing(*first):
    """Draws these first, then the others in their order: not the batch's own."""
    others = [c for c in range(C) if c not in LABELS]
    order = [*(c for c in first if c in others), *(c for c in others if c not in first)]

    def draw(step, many, count):
        assert many == len(others)
        return torch.tensor([others.index(c) for c in order[:count]])

    return draw


def sampling(make_head=DenseHead, *, rate, draw):
    return Sampling(lambda _: make_head, C, rate, draw)


def embeddings():
    return 3 * torch.randn(len(LABELS), D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("rate", "drawn", "seen"),
    [
        (5 / C, (6, 3), [0, 2, 3, 5, 6]),
        (5 / C, (5, 4, 1), [0, 1, 2, 4, 5]),  # 5 is the batch's own
        (1e-9, (6, 3), [0, 2, 5, 6]),  # one more than the batch's, at least
        (1.0, (6, 3), list(range(C))),
    ],
)
def test_a_step_sees_the_classes_of_its_batch_and_the_first_of_the_others(rate, drawn, seen):
    head = sampling(rate=rate, draw=drawing(*drawn))
    head.begin(0, LABELS)
    assert head.sample.classes.tolist() == seen
    assert head.sample.certain.tolist() == [0, 2, 5]


def test_the_draw_follows_the_step():
    head = sampling(rate=4 / C, draw=lambda step, *of: drawing(6 if step == 3 else 1)(step, *of))
    drawn = []
    for step in (0, 3):
        head.begin(step, LABELS)
        drawn.append(head.sample.classes.tolist())
    assert drawn == [[0, 1, 2, 5], [0, 2, 5, 6]]


@pytest.mark.parametrize("settings", WITH_A_HEAD, ids=name_of)
def test_parts_of_a_batch_see_the_same_prototypes_and_have_its_mean(settings):
    if settings["kind"] in ("softmax_contrastive", "adaface", "curricularface", "softmax_center"):
        pytest.skip("pairs, or statistics, of a part are not those of the batch")
    loss = make(settings, sampling(rate=5 / C, draw=drawing(6, 3))).double()
    loss.begin(0, LABELS)
    x = embeddings()
    whole = loss(x, LABELS, 0)
    parts = [loss(some, labels, 0) for some, labels in zip(x.chunk(2), LABELS.chunk(2), strict=True)]
    mean = torch.stack([part.loss for part in parts]).mean()
    torch.testing.assert_close(mean, whole.loss, rtol=1e-9, atol=1e-12)
    for part in parts:
        torch.testing.assert_close(part.seen.prototypes, whole.seen.prototypes)
        assert torch.equal(part.seen.certain, whole.seen.certain)


def numbers_of(loss, x):
    loss.begin(100, LABELS)
    output = loss(x, LABELS, 100)
    gradients = torch.autograd.grad(output.loss, [x, *loss.parameters()])
    return [output.loss, *gradients, *output.without_margin()]


@pytest.mark.parametrize("inner", [DenseHead, StreamedHead])
@pytest.mark.parametrize("settings", WITH_A_HEAD, ids=name_of)
def test_a_sample_of_all_prototypes_changes_nothing(settings, inner):
    sampled = make(settings, sampling(inner, rate=1.0, draw=drawing())).double()
    whole = make(settings).double()
    sampled.load_state_dict(whole.state_dict())
    x = embeddings().requires_grad_()
    for found, expected in zip(numbers_of(sampled, x), numbers_of(whole, x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("inner", [DenseHead, StreamedHead])
@pytest.mark.parametrize("settings", [s for s in WITH_A_HEAD if s["kind"] != "sphereface2"], ids=name_of)
def test_a_loss_over_a_sample_is_that_of_a_classifier_of_these_classes(settings, inner):
    """Partial FC as published: the others might not be there."""
    seen = [0, 2, 3, 5, 6]
    sampled = make(settings, sampling(inner, rate=len(seen) / C, draw=drawing(6, 3))).double()
    small = make(settings, classes=len(seen)).double()
    state = sampled.state_dict()
    small.load_state_dict({k: v[seen] if k in sampled.of_classes else v for k, v in state.items()})
    x = embeddings().requires_grad_()
    places = torch.tensor([seen.index(label) for label in LABELS.tolist()])
    sampled.begin(100, LABELS)
    by_sample, by_small = sampled(x, LABELS, 100), small(x, places, 100)
    torch.testing.assert_close(by_sample.loss, by_small.loss, rtol=1e-9, atol=1e-12)
    for name in dict(small.named_parameters()):
        found, expected = (
            torch.autograd.grad(output.loss, loss.get_parameter(name), retain_graph=True)[0]
            for output, loss in ((by_sample, sampled), (by_small, small))
        )
        if name in sampled.of_classes:
            others = [c for c in range(C) if c not in seen]
            assert not found[others].any()
            found = found[seen]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert by_sample.seen.num_classes == C
    assert by_sample.seen.certain.tolist() == [0, 1, 3]  # the classes 0, 2 and 5
    assert by_sample.seen.labels.tolist() == places.tolist()
    torch.testing.assert_close(by_sample.seen.prototypes, sampled.prototypes[seen])


@pytest.mark.parametrize("inner", [DenseHead, StreamedHead])
@pytest.mark.parametrize("settings", [s for s in WITH_A_HEAD if s["kind"] == "sphereface2"], ids=name_of)
def test_a_sum_of_binary_losses_is_estimated_without_bias(settings, inner):
    """The mean over every draw, and that of the gradients, against the loss over all prototypes."""
    whole, x = make(settings).double(), embeddings().requires_grad_()
    parameters = [x, *whole.parameters()]
    loss = whole(x, LABELS, 0).loss
    expected = [loss, *torch.autograd.grad(loss, parameters)]
    found = []
    for drawn in combinations([1, 3, 4, 6], 2):
        whole.head = sampling(inner, rate=5 / C, draw=drawing(*drawn))
        whole.begin(0, LABELS)
        loss = whole(x, LABELS, 0).loss
        found.append([loss, *torch.autograd.grad(loss, parameters)])
    for values, right in zip(zip(*found, strict=True), expected, strict=True):
        torch.testing.assert_close(torch.stack(values).mean(dim=0), right, rtol=1e-10, atol=1e-12)


def test_the_loss_of_image_classification_is_refused():
    loss = SmoothedSoftmaxLoss(C, D)
    loss.head = sampling(rate=0.5, draw=drawing())
    loss.begin(0, LABELS)
    with pytest.raises(ValueError, match="is of image classification, whose few classes are all seen"):
        loss(torch.randn(len(LABELS), D), LABELS, 0)


def test_labels_of_another_batch_than_was_begun_are_refused():
    loss = make({"kind": "softmax"}, sampling(rate=0.5, draw=drawing())).double()
    for begun in (None, torch.tensor([5, 2])):
        if begun is not None:
            loss.head.draw = lambda step, many, count: torch.arange(count)
            loss.begin(0, begun)
        with pytest.raises(ValueError, match="`begin` is told those of the whole batch"):
            loss(embeddings(), LABELS, 0)


@pytest.mark.parametrize("batch", [[0], [6], [3, 4], [0, 1, 2, 3, 4, 6], list(range(7))], ids=str)
def test_each_of_the_others_is_drawn_by_its_place_among_them(batch):
    others = [c for c in range(C) if c not in batch]
    for place, expected in enumerate(others):
        head = sampling(rate=1e-9, draw=lambda step, many, count, place=place: torch.tensor([place]))
        head.begin(0, torch.tensor(batch))
        assert head.sample.classes.tolist() == sorted([*batch, expected])
    if not others:
        head = sampling(rate=0.5, draw=None)  # nothing is left to draw
        head.begin(0, torch.tensor(batch))
        assert head.sample.classes.tolist() == batch
