"""The dense head against its formula, and every softmax loss on a head that never makes (B, C)."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.config.losses import LossConfig
from sphereface_plus.config.strict import Strict, validate
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.head import DenseHead
from sphereface_plus.losses.output import WithoutMargin

C, D = 7, 5
SETTINGS = [
    {"kind": "softmax", "bias": True},
    {"kind": "softmax_center"},
    {"kind": "softmax_contrastive"},
    {"kind": "l_softmax"},
    *({"kind": "a_softmax", "gradient": gradient} for gradient in ("exact", "caffe", "detached")),
    {"kind": "am_softmax", "unit_prototypes": True},
    {"kind": "am_softmax_unnormalised"},
    {"kind": "arcface"},
    {"kind": "arcface", "gradient": "detached"},
    {"kind": "curricularface"},
    {"kind": "adaface"},
    {"kind": "magface"},
    *({"kind": "sphereface_r", "version": version} for version in ("v0", "v1", "v2")),
    {"kind": "sphereface_r", "normalisation": "soft"},
]


class _Loss(Strict):
    loss: LossConfig


class ChunkedHead:
    """What a streamed head may do: DenseHead's methods, with the products of two prototypes at a time."""

    def __init__(self, product, embeddings, labels, prototypes, *per_prototype):
        self.embeddings, self.labels, self.prototypes = embeddings, labels, prototypes
        chunks = [slice(start, start + 2) for start in range(0, len(prototypes), 2)]
        self.products = lambda: (
            (chunk, product(embeddings, *(rows[chunk] for rows in (prototypes, *per_prototype))))
            for chunk in chunks
        )

    target_angle, of_labels = DenseHead.target_angle, DenseHead.of_labels

    def target_product(self):
        found = torch.zeros(len(self.labels)).to(self.embeddings)
        for chunk, products in self.products():
            mine = (self.labels >= chunk.start) & (self.labels < chunk.start + products.shape[1])
            column = (self.labels - chunk.start).clamp(0, products.shape[1] - 1)
            found = torch.where(mine, products.gather(1, column[:, None]).squeeze(1), found)
        return found

    def cross_entropy(self, target=None, *, others=None, scale=None):
        factor = torch.as_tensor(1.0 if scale is None else scale).reshape(-1)
        target = factor * (self.target_product() if target is None else target)
        sums = []
        for chunk, products in self.products():
            logits = factor[:, None] * (products if others is None else others(products))
            column = torch.arange(products.shape[1]) + chunk.start
            sums.append(logits.masked_fill(column == self.labels[:, None], -torch.inf).logsumexp(dim=1))
        return (torch.stack([*sums, target], dim=1).logsumexp(dim=1) - target).mean()

    @torch.no_grad()
    def without_margin(self, scale=None):
        best = torch.stack([products.amax(dim=1) for _, products in self.products()]).amax(dim=0)
        return WithoutMargin(self.target_product() >= best, self.cross_entropy(scale=scale))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_another_head_can_take_the_place_of_the_dense_one(settings):
    config = validate(_Loss, {"loss": settings}, "test").loss
    dense = build_loss(config, num_identities=C, embedding_size=D).double()
    chunked = copy.deepcopy(dense)
    chunked.head = ChunkedHead
    x, labels = 3 * torch.randn(12, D, dtype=torch.float64), torch.arange(12) % C
    found = []
    for loss in (dense, chunked):
        leaf = x.clone().requires_grad_()
        output = loss(leaf, labels, 300)
        found.append((output.loss, *torch.autograd.grad(output.loss, [leaf, *loss.parameters()])))
        found[-1] += tuple(output.without_margin())
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_cross_entropy_is_that_of_changed_and_scaled_products():
    x, w, labels = torch.randn(6, D), torch.randn(C, D), torch.arange(6)
    head = DenseHead(F.linear, x, labels, w)
    assert torch.allclose(head.target_product(), (x * w[labels]).sum(dim=1), atol=1e-6)
    logits = torch.stack([3 * (w @ row) ** 2 for row in x])
    logits[torch.arange(6), labels] = 3 * torch.arange(6.0)
    loss = head.cross_entropy(torch.arange(6.0), others=torch.square, scale=3.0)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels))


def test_right_is_whose_largest_logit_without_margin_is_the_labels():
    head = DenseHead(F.linear, torch.eye(3), torch.tensor([0, 1, 0]), torch.eye(3))
    right, entropy = head.without_margin(2.0)
    assert right.tolist() == [True, True, False]
    torch.testing.assert_close(entropy, F.cross_entropy(2 * torch.eye(3), torch.tensor([0, 1, 0])))


def test_a_loss_joins_its_gradients_by_their_mean_over_processes():
    loss = build_loss(validate(_Loss, {"loss": SETTINGS[0]}, "test").loss, num_identities=C, embedding_size=D)
    loss.prototypes.grad = torch.ones(C, D)
    loss.join_gradients(SimpleNamespace(average=lambda gradient: gradient.div_(2)))
    assert torch.equal(loss.prototypes.grad, torch.full((C, D), 0.5))
    assert loss.bias.grad is None
