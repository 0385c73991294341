"""Softmax with center loss: embeddings are drawn to the centre of their identity (Wen et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import new_prototypes, some_rows
from sphereface_plus.mhe.repeatable import add_rows
from sphereface_plus.processes import gathered


@torch.no_grad()
def move_centers(centers: Tensor, embeddings: Tensor, labels: Tensor, rate: float) -> None:
    """Moves the centres (C, D), in their place, by a batch, embeddings (B, D) and labels (B,):

    c_j <- c_j - rate sum_(i: y_i = j) (c_j - x_i) / (1 + n_j),  n_j the number of the identity's images
    """
    seen, own, counts = labels.unique(return_inverse=True, return_counts=True)  # (K,), (B,), (K,)
    differences = (centers[labels] - embeddings) / (1 + counts)[own, None]
    moves = add_rows(torch.zeros_like(centers[seen]), own, differences)
    centers.index_add_(0, seen, moves, alpha=-rate)


class SoftmaxCenterLoss(PrototypeLoss):
    """Softmax cross-entropy over w_j x + b_j, plus center_weight times the mean of |x - c_y|^2 / 2.

    Nothing is normalised. The centres are not weights: they live in a buffer and move, in training only,
    after they were used. The released layer gives them to the optimizer instead, with the same sums as
    gradients, so that they have its learning rate, momentum and twice its weight decay; its example has a
    weight of 0.008. With an accumulated batch the centres move once a part.
    """

    of_classes = ("prototypes", "bias", "centers")
    centers: Tensor

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        bias: bool = True,
        center_weight: float = 0.003,
        center_rate: float = 0.5,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        self.center_weight, self.center_rate = center_weight, center_rate
        self.bias = nn.Parameter(torch.zeros(num_identities)) if bias else None
        held = self.rows.stretch(num_identities)
        centers = some_rows(new_prototypes, num_identities, embedding_size, held)
        self.register_buffer("centers", centers.detach())

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # squares of lengths
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels, normalised=False, bias=self.bias)
            softmax = head.cross_entropy()
            center = (x - head.of_labels(self.centers)).square().sum(dim=1).mean() / 2
            if self.training:
                here, rows = self.rows.of_labels(gathered(labels))
                move_centers(self.centers, gathered(x)[here], rows, self.center_rate)
            loss = softmax + self.center_weight * center
        terms = {"softmax": softmax.detach(), "center": center.detach()}
        return LossOutput(loss, terms, head.without_margin, head.seen())
