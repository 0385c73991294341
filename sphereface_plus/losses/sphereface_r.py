"""SphereFace-R: SphereFace with real margins, three ways to multiply the angle, and three to treat the
embedding's length (Liu et al. 2022, arXiv:2109.05565).

The numbers follow the authors' OpenSphere, which says of "none" and "soft" that they are not fully tested.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from sphereface_plus.losses.angle import straight_through
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths, units

Version = Literal["v0", "v1", "v2"]
Normalisation = Literal["hard", "none", "soft"]


def psi_v0(theta: Tensor, margin: float) -> Tensor:
    """SphereFace's psi for a real margin: (-1)^k cos(m theta) - 2 k, k = floor(m theta / pi); continuous."""
    k = torch.floor(margin * theta.detach() / math.pi)
    return (1 - 2 * (k % 2)) * torch.cos(margin * theta) - 2 * k


def psi_v1(theta: Tensor, margin: float) -> Tensor:
    """cos(m theta), where m theta ends at pi."""
    return torch.cos((margin * theta).clamp_max(math.pi))


def cosine_of_shrunk_angle(cosine: Tensor, margin: float) -> Tensor:
    """cos(theta / m): v2 leaves the target alone and shrinks the angles to the others."""
    return torch.cos(torch.arccos(cosine.clamp(-1 + 1e-5, 1 - 1e-5)) / margin)


class SphereFaceRLoss(PrototypeLoss):
    """Softmax cross-entropy over the embeddings' factor times cos theta_j, with a multiplied target angle.

    version: what the margin m does. v0 and v1 put psi_v0 or psi_v1 of theta_y in the place of cos theta_y,
        v2 puts cos(theta_j / m) in the place of the others' cosines. m = 1 is not a margin in all three.
    normalisation: "hard": factor s. "none": factor |x|. "soft": factor |x|, plus length_weight ||x| - s|.
    The cross-entropy counts loss_weight / s times, with "none" once.
    m is `margin`, and margin_growth more after each of margin_steps: OpenSphere has 1.5 and no steps with
    "hard", 1 and growth with the other two.
    gradient: "detached" is the paper's characteristic gradient detachment, a logit feels the plain cosine's
        gradient; "exact" is the formula's. The length always feels the exact one.

    unit_prototypes: OpenSphere's way with the prototypes, see PrototypeLoss.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        version: Version = "v0",
        normalisation: Normalisation = "hard",
        scale: float = 30.0,
        margin: float = 1.5,
        margin_growth: float = 0.1,
        margin_steps: Sequence[int] = (),
        loss_weight: float = 50.0,
        length_weight: float = 0.01,
        gradient: Literal["detached", "exact"] = "detached",
        unit_prototypes: bool = False,
    ) -> None:
        super().__init__(num_identities, embedding_size, unit_prototypes=unit_prototypes)
        self.version, self.normalisation, self.scale = version, normalisation, scale
        self.margin, self.margin_growth, self.margin_steps = margin, margin_growth, margin_steps
        self.loss_weight, self.length_weight, self.gradient = loss_weight, length_weight, gradient

    def margin_at(self, step: int) -> float:
        """m of the update `step`, 0 for the first."""
        return self.margin + self.margin_growth * sum(step >= begins for begins in self.margin_steps)

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1, step (0 for the first update) -> LossOutput."""
        margin = self.margin_at(step)
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(units(x), labels)
            target = self._target(head.target_angle(), margin)
            if self.gradient == "detached":
                target = straight_through(target, head.target_product())
            length = lengths(x)
            factor = self.scale if self.normalisation == "hard" else length[:, None]
            others = partial(self._other, margin=margin) if self.version == "v2" else None
            loss = head.cross_entropy(target, others=others, scale=factor)
            if self.normalisation != "none":
                loss = loss * (self.loss_weight / self.scale)
            if self.normalisation == "soft":
                loss = loss + self.length_weight * (length - self.scale).abs().mean()
        terms = {"margin": torch.tensor(margin), "mean_length": length.detach().mean()}
        return LossOutput(loss, terms, partial(head.without_margin, factor), head.seen())

    def _target(self, theta: Tensor, margin: float) -> Tensor:
        if self.version == "v2":
            return theta.cos()
        return psi_v0(theta, margin) if self.version == "v0" else psi_v1(theta, margin)

    def _other(self, cosine: Tensor, margin: float) -> Tensor:
        shrunk = cosine_of_shrunk_angle(cosine, margin)
        return straight_through(shrunk, cosine) if self.gradient == "detached" else shrunk
