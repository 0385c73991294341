"""Softmax with contrastive loss on the pairs of a batch, as in DeepID2 (Sun et al. 2014, arXiv:1406.4773)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput


def contrastive(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Of all pairs in a batch, embeddings (B, D), labels (B,): a scalar. d is the Euclidean distance.

        mean over genuine pairs of d^2 / 2  +  mean over impostor pairs of max(margin - d, 0)^2 / 2

    A batch without pairs of a kind has 0 for it. Each kind is a mean of its own, because a batch holds many
    more impostor pairs than genuine ones; Caffe's layer is given as many pairs as one likes of each.
    """
    first, second = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
    genuine = labels[first] == labels[second]
    distance = F.pdist(embeddings)  # the gradient at distance 0 is 0
    together, apart = distance[genuine], (margin - distance[~genuine]).clamp_min(0)
    return _mean(together.square()) / 2 + _mean(apart.square()) / 2


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(1, len(values))


class SoftmaxContrastiveLoss(PrototypeLoss):
    """Softmax cross-entropy over w_j x + b_j, plus contrastive_weight times `contrastive`.

    Nothing is normalised. Needs batches with several crops of an identity (data.images_per_identity); pairs
    are those of a process's part of the batch. Table 10's settings were not published: the margin is Caffe's
    default, the weight DeepID2's.
    """

    of_classes = ("prototypes", "bias")

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        bias: bool = True,
        contrastive_weight: float = 0.05,
        margin: float = 1.0,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        self.contrastive_weight, self.margin = contrastive_weight, margin
        self.bias = nn.Parameter(torch.zeros(num_identities)) if bias else None

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # small differences of long embeddings
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels, normalised=False, bias=self.bias)
            softmax = head.cross_entropy()
            pairs = contrastive(x, labels, self.margin)
            loss = softmax + self.contrastive_weight * pairs
        terms = {"softmax": softmax.detach(), "contrastive": pairs.detach()}
        return LossOutput(loss, terms, head.without_margin, head.seen())
