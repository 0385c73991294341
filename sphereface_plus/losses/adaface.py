"""AdaFace: a margin that follows the embedding's length, as a measure of the image's quality (Kim et al.
2022, arXiv:2204.00964)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths, units
from sphereface_plus.processes import gathered

SHORTEST_DEVIATION = 1e-3  # the released code's epsilon; a batch of equal lengths has no deviation


def quality(length: Tensor, mean: Tensor, deviation: Tensor, concentration: float) -> Tensor:
    """The length (B,) in units of deviation / concentration from the mean, cut to [-1, 1]."""
    return ((length - mean) / (deviation + SHORTEST_DEVIATION) * concentration).clamp(-1, 1)


def adaptive_target(theta: Tensor, quality: Tensor, margin: float) -> Tensor:
    """cos(theta + g_angle) - g_add of the target angles theta (B,).

    g_angle = -margin quality and g_add = margin quality + margin: at quality -1 an angular margin as in
    ArcFace, at 0 one of the cosine as in CosFace, at 1 both, the angular one negative.
    """
    return torch.cos(theta - margin * quality) - margin * (1 + quality)


class AdaFaceLoss(PrototypeLoss):
    """Softmax cross-entropy over s cos theta_j, with s adaptive_target(theta_y) for the target.

    Embeddings and prototypes are normalised. The length gets no gradient. Its mean and standard deviation run
    in buffers, from 20 and 100 on as in the released code, and move in training only, before they are used;
    with an accumulated batch once a part. The deviation is that of the whole batch (divisor B), so that a
    batch of one has one; the released code divides by B - 1.
    """

    length_mean: Tensor
    length_deviation: Tensor

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        scale: float = 64.0,
        margin: float = 0.4,
        concentration: float = 0.333,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        self.scale, self.margin = scale, margin
        self.concentration, self.momentum = concentration, momentum
        self.register_buffer("length_mean", torch.tensor(20.0))
        self.register_buffer("length_deviation", torch.tensor(100.0))

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            length = lengths(x).detach().clamp(1e-3, 100)  # the released code's bounds
            if self.training:
                everybodys = gathered(length)
                self.length_mean.lerp_(everybodys.mean(), 1 - self.momentum)
                self.length_deviation.lerp_(everybodys.std(correction=0), 1 - self.momentum)
            adapted = quality(length, self.length_mean, self.length_deviation, self.concentration)
            head = self.new_head(units(x), labels)
            target = adaptive_target(head.target_angle(), adapted, self.margin)
            loss = head.cross_entropy(target, scale=self.scale)
        terms = {"length_mean": self.length_mean.clone(), "length_deviation": self.length_deviation.clone()}
        return LossOutput(loss, terms, partial(head.without_margin, self.scale), head.seen())
