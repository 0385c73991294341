"""A second head, literal and slow: the products of two prototypes at a time, and running sums over them."""

import torch
import torch.nn.functional as F

from sphereface_plus.losses.output import Seen, WithoutMargin

AT_A_TIME = 2


def product_of(embeddings, prototypes, over_lengths):
    """x . w, or x . w / |w|, each way literal."""
    if over_lengths is None:
        return embeddings @ prototypes.T
    w = prototypes if over_lengths == "differentiated" else prototypes.detach()
    return (embeddings @ prototypes.T) / w.norm(dim=1)


class ChunkedHead:
    """The contract of sphereface_plus/losses/head.py without a tensor (B, C)."""

    def __init__(self, embeddings, labels, prototypes, *, over_lengths=None, bias=None):
        self.embeddings, self.labels, self.prototypes = embeddings, labels, prototypes
        self.over_lengths, self.bias = over_lengths, torch.zeros(len(prototypes)) if bias is None else bias

    def chunks(self):
        """(is_target (B, n), products (B, n)) of each chunk of n prototypes."""
        for start in range(0, len(self.prototypes), AT_A_TIME):
            rows = slice(start, start + AT_A_TIME)
            w = self.prototypes[rows]
            products = product_of(self.embeddings, w, self.over_lengths) + self.bias[rows].to(w)
            columns = torch.arange(start, start + products.shape[1])
            yield columns == self.labels[:, None], products

    def seen(self):
        return Seen(self.prototypes, self.labels, len(self.prototypes))

    def target_product(self):
        return sum((products * is_target).sum(dim=1) for is_target, products in self.chunks())

    def target_angle(self):
        w = self.of_labels(self.prototypes)
        return torch.acos((self.embeddings * w).sum(dim=1) / self.embeddings.norm(dim=1) / w.norm(dim=1))

    def of_labels(self, of_classes):
        return torch.stack([of_classes[label] for label in self.labels.tolist()])

    def cross_entropy(self, target=None, *, others=None, scale=None):
        factor = torch.as_tensor(1.0 if scale is None else scale).reshape(-1)  # (1,) or (B,)
        target = factor * (self.target_product() if target is None else target)
        total = target  # the log of the sum of exponentials so far
        for is_target, products in self.chunks():
            logits = factor[:, None] * (products if others is None else others(products))
            total = torch.logaddexp(total, logits.masked_fill(is_target, -torch.inf).logsumexp(dim=1))
        return (total - target).mean()

    def smoothed_cross_entropy(self, *, smoothing, floor):
        total = torch.full((len(self.labels),), -torch.inf, dtype=self.embeddings.dtype)
        for _, products in self.chunks():
            total = torch.logaddexp(total, products.logsumexp(dim=1))
        entropy = 0
        for is_target, products in self.chunks():
            share = (1 - smoothing) * is_target.to(products) + smoothing / len(self.prototypes)
            entropy = entropy - (share * ((products - total[:, None]).exp() + floor).log()).sum(dim=1)
        return entropy.mean()

    def binary_cross_entropy(self, target, *, others, scale, bias, balance):
        entropy = 0
        for is_target, products in self.chunks():
            logits = scale * torch.where(is_target, target[:, None], others(products)) + bias
            of_target, of_other = balance * F.logsigmoid(logits), (1 - balance) * F.logsigmoid(-logits)
            entropy = entropy - torch.where(is_target, of_target, of_other).sum()
        return entropy / (len(self.labels) * len(self.prototypes))

    @torch.no_grad()
    def without_margin(self, scale=None, *, each=None, bias=None):
        factor = torch.as_tensor(1.0 if scale is None else scale).reshape(-1, 1)
        best, target, total = (torch.full((len(self.labels),), -torch.inf).double() for _ in range(3))
        for is_target, products in self.chunks():
            logits = factor * (products if each is None else each(products)) + (0 if bias is None else bias)
            best = torch.maximum(best, logits.masked_fill(is_target, -torch.inf).amax(dim=1))  # of the others
            target = torch.where(is_target, logits, -torch.inf).amax(dim=1).maximum(target)
            total = torch.logaddexp(total, logits.logsumexp(dim=1))
        return WithoutMargin(target > best, (total - target).mean())
