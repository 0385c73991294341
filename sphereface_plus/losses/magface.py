"""MagFace: an angular margin that grows with the embedding's length, and a term that lengthens embeddings
(Meng et al. 2021, arXiv:2103.06627)."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths, units


class MagFaceLoss(PrototypeLoss):
    """Softmax cross-entropy over s cos theta_j, s cos(theta_y + m(a)) for the target, plus a term of length.

        length_weight mean(g(a))

        a = |x|, cut to [length_min, length_max]
        m(a) = margin_min + (margin_max - margin_min) (a - length_min) / (length_max - length_min)
        g(a) = 1 / a + a / length_max^2                                   least at length_max

    margin_min and margin_max are in radians. Outside the bounds the length gets no gradient. The bounds
    belong to a network that ends in batch normalisation (|x| is about sqrt(D) there); with others, set them
    by the lengths that `mean_length` logs, since below length_min nothing lengthens an embedding. Where
    theta_y + m(a) passes pi the paper's formula is kept. easy_margin is the published training's form: no
    margin for angles of pi / 2 and more.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        scale: float = 64.0,
        length_min: float = 10.0,
        length_max: float = 110.0,
        margin_min: float = 0.45,
        margin_max: float = 0.8,
        length_weight: float = 35.0,
        easy_margin: bool = False,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        if not 0 < length_min < length_max:
            raise ValueError(
                f"length_min must be above 0 and below length_max, got {length_min} and {length_max}"
            )
        self.scale, self.length_min, self.length_max = scale, length_min, length_max
        self.margin_min, self.margin_max, self.length_weight = margin_min, margin_max, length_weight
        self.easy_margin = easy_margin

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            length = lengths(x)
            a = length.clamp(self.length_min, self.length_max)
            head = self.new_head(units(x), labels)
            theta = head.target_angle()
            target = torch.cos(theta + self._margin(a))
            if self.easy_margin:
                target = torch.where(theta < math.pi / 2, target, theta.cos())
            length_term = (1 / a + a / self.length_max**2).mean()
            loss = head.cross_entropy(target, scale=self.scale) + self.length_weight * length_term
        terms = {"length_term": length_term.detach(), "mean_length": length.detach().mean()}
        return LossOutput(loss, terms, partial(head.without_margin, self.scale), head.seen())

    def _margin(self, a: Tensor) -> Tensor:
        share = (a - self.length_min) / (self.length_max - self.length_min)
        return self.margin_min + (self.margin_max - self.margin_min) * share
