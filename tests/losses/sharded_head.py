"""A third head, literal: each process holds the prototypes of some classes, and sees the crops of all."""

import torch
import torch.distributed as dist
from torch.autograd import Function

from sphereface_plus.losses.output import WithoutMargin
from tests.losses.chunked_head import product_of


def total(values):
    values = values.clone()
    dist.all_reduce(values)
    return values


class Total(Function):
    """The sum over the processes, of whose losses the backward gives the gradient of the sum."""

    @staticmethod
    def forward(ctx, values):
        return total(values)

    @staticmethod
    def backward(ctx, gradient):
        return total(gradient)


class Everybodys(Function):
    """(B, ...) of each process -> those of all, (world_size * B, ...)."""

    @staticmethod
    def forward(ctx, values):
        parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient):
        return mine(total(gradient))


def mine(of_all):
    return of_all.chunk(dist.get_world_size())[dist.get_rank()]


def largest(values):
    values = values.detach().clone()
    dist.all_reduce(values, op=dist.ReduceOp.MAX)
    return values


class Share:
    """rows.Rows: as many consecutive classes for each process as can be, the first ones have one more."""

    def held(self, of_classes):
        return of_classes.tensor_split(dist.get_world_size())[dist.get_rank()]

    def begin_alike(self, held, processes):
        """No two processes hold the same row."""

    def join_gradient(self, held, processes):
        held /= processes.world_size  # of the sum of the parts' mean losses


class ShardedHead:
    """The contract of sphereface_plus/losses/head.py, as far as the losses without a rule for others ask."""

    def __init__(self, embeddings, labels, prototypes, *, over_lengths=None, bias=None):
        self.embeddings, self.prototypes = embeddings, prototypes
        counts = torch.zeros(dist.get_world_size(), dtype=torch.long)
        counts[dist.get_rank()] = len(prototypes)
        first = int(total(counts)[: dist.get_rank()].sum())
        column = Everybodys.apply(labels) - first  # (A,), A embeddings of all processes
        self.is_held = (column >= 0) & (column < len(prototypes))
        self.column = column.clamp(0, len(prototypes) - 1)
        self.products = product_of(Everybodys.apply(embeddings), prototypes, over_lengths)  # (A, n)
        if bias is not None:
            self.products = self.products + bias

    def seen(self):
        """Of no use to an energy, which wants all prototypes."""

    def target_product(self):
        return self._of_holder(self.products.gather(1, self.column[:, None]).squeeze(1))

    def target_angle(self):
        w = self.of_labels(self.prototypes)
        return torch.acos((self.embeddings * w).sum(dim=1) / self.embeddings.norm(dim=1) / w.norm(dim=1))

    def of_labels(self, of_classes):
        return self._of_holder(of_classes[self.column])

    def cross_entropy(self, target=None, *, others=None, scale=None):
        assert others is None
        logits, factor = self._logits(scale)
        target = factor * (self.target_product() if target is None else target)
        logits = self._without_target(logits)
        highest = largest(logits.amax(dim=1))
        others = mine(Total.apply((logits - highest[:, None]).exp().sum(dim=1)))
        return (torch.logaddexp(others.log() + mine(highest), target) - target).mean()

    @torch.no_grad()
    def without_margin(self, scale=None, *, each=None, bias=None):
        assert each is None
        assert bias is None
        logits, factor = self._logits(scale)
        target = factor * self.target_product()
        best = mine(largest(self._without_target(logits).amax(dim=1)))
        return WithoutMargin(target >= best, self.cross_entropy(scale=scale))

    def _of_holder(self, values):
        """(A, ...) that mean something where this process holds the label -> (B, ...)."""
        known = self.is_held.reshape(-1, *[1] * (values.ndim - 1))
        return mine(Total.apply(values.masked_fill(~known, 0)))

    def _logits(self, scale):
        factor = torch.ones(len(self.embeddings), 1).to(self.embeddings) * (1.0 if scale is None else scale)
        return Everybodys.apply(factor) * self.products, factor.squeeze(1)

    def _without_target(self, logits):
        own = torch.zeros_like(logits, dtype=torch.bool).scatter(
            1, self.column[:, None], self.is_held[:, None]
        )
        return logits.masked_fill(own, -torch.inf)
