"""Triplet loss on the triplets of a batch, semi-hard (Schroff et al. 2015, FaceNet, arXiv:1503.03832) or hard
(Hermans et al. 2017, arXiv:1703.07737)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sphereface_plus.losses.loss import Loss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths


def squared_distances(embeddings: Tensor) -> Tensor:
    """|u_i - u_j|^2 of the unit embeddings: (B, D) -> (B, B), 0..4."""
    u = embeddings / lengths(embeddings)[:, None]
    return (2 - 2 * u @ u.T).clamp_min(0)


def genuine_pairs(labels: Tensor) -> Tensor:
    """(B,) -> (B, B): who is another image of the same identity; nobody in a batch of one identity only."""
    same = labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself & ~same.all(dim=1, keepdim=True)


def semi_hard(distance: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (T,) of anchor to genuine and to impostor, one triplet for each ordered genuine pair.

    The impostor is the nearest one that is farther than the genuine image, or, where none is, the farthest.
    """
    anchor, other = genuine_pairs(labels).nonzero(as_tuple=True)
    genuine = distance[anchor, other]  # (T,)
    same, impostors = labels[anchor, None] == labels, distance[anchor]  # (T, B)
    farther = impostors.masked_fill(same | (impostors <= genuine[:, None]), torch.inf).amin(dim=1)
    farthest = impostors.masked_fill(same, -torch.inf).amax(dim=1)
    return genuine, torch.where(farther.isfinite(), farther, farthest)


def hard(distance: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (T,) of each anchor with another image: to its farthest genuine and its nearest impostor."""
    genuine = genuine_pairs(labels)
    anchors = genuine.any(dim=1)
    farthest = distance.masked_fill(~genuine, -torch.inf).amax(dim=1)
    nearest = distance.masked_fill(labels[:, None] == labels, torch.inf).amin(dim=1)
    return farthest[anchors], nearest[anchors]


class TripletLoss(Loss):
    """Mean over the batch's triplets of max(0, d(anchor, genuine) - d(anchor, impostor) + margin).

    d is the squared Euclidean distance of unit embeddings, as in FaceNet. There are no prototypes, and so no
    MHE. Needs batches with several crops of an identity (data.images_per_identity); triplets are those of a
    process's part of the batch. A batch without triplets has the loss 0. The well-known reimplementation of
    FaceNet takes a random one of the impostors that violate the margin instead.
    num_identities and embedding_size are those that every loss is built with; nothing depends on them.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        mining: Literal["semi_hard", "hard"] = "semi_hard",
        margin: float = 0.2,
    ) -> None:
        super().__init__()
        self.mining, self.margin = mining, margin

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) -> LossOutput, nothing without margin; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # small differences of distances
            x = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
            distance = squared_distances(x)
            mine = semi_hard if self.mining == "semi_hard" else hard
            genuine, impostor = mine(distance, labels)
            violation = (genuine - impostor + self.margin).clamp_min(0)
            count = max(1, len(violation))
            loss = violation.sum() / count
        terms = {
            "violating_share": (violation.detach() > 0).sum() / count,
            "genuine_distance": genuine.detach().sum() / count,
        }
        return LossOutput(loss, terms, None)
