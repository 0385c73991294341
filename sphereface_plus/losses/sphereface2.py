"""SphereFace2: one binary classification per identity instead of a softmax (Wen et al. 2022,
arXiv:2108.01513)."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from sphereface_plus.losses.angle import straight_through
from sphereface_plus.losses.head import Head
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import units

MarginType = Literal["C", "A", "M"]


def adjusted(cosine: Tensor, power: float) -> Tensor:
    """g(c) = 2 ((c + 1) / 2)^t - 1: the paper's similarity adjustment, which spreads what lies near 0."""
    return 2 * ((cosine + 1) / 2).clamp_min(0) ** power - 1  # rounding may leave a cosine below -1


def balancing_bias(
    num_identities: int, *, margin_type: MarginType, balance: float, scale: float, margin: float, power: float
) -> float:
    """The bias at which target and other identities pull equally where all cosines are 0, as initial value.

    With a_y and a_i the logits of target and others at cosine 0, and z the ratio of their weights,

        b = log 2z - a_i - log(1 - z + sqrt((1 - z)^2 + 4 z exp(a_y - a_i)))
        z = balance / ((1 - balance) (C - 1))
    """
    middle = 2 * 0.5**power - 1
    if margin_type == "C":
        target, other = middle - margin, middle + margin
    else:
        angle = math.pi / 2 + margin if margin_type == "A" else math.pi / 2 * margin
        target, other = 2 * ((math.cos(min(math.pi, angle)) + 1) / 2) ** power - 1, middle
    z = balance / ((1 - balance) * (num_identities - 1))
    root = math.sqrt((1 - z) ** 2 + 4 * z * math.exp(scale * (target - other)))
    return math.log(2 * z) - scale * other - math.log(1 - z + root)


class SphereFace2Loss(PrototypeLoss):
    """Weighted binary cross-entropy over all B C pairs of an embedding and a prototype.

        logit = r g'(theta) + b         loss = loss_weight C / r  mean(weight BCE(logit, is target))

    with weight = balance for the target and 1 - balance for the others, and g' by margin_type:
      "C"  g(cos theta) - margin for the target, g(cos theta) + margin for the others
      "A"  g(cos(theta + margin)) for the target, g(cos theta) for the others; margin in radians
      "M"  g(cos(margin theta)) for the target, likewise; the moved angle of A and M ends at pi

    Embeddings and prototypes are normalised; b is one trained number. At margin 0 (for M: 1) all are one.
    gradient: "exact" is the formula's; "detached" is the released code's, where a logit feels the plain
    cosine's gradient.

    unit_prototypes: OpenSphere's way with the prototypes, see PrototypeLoss.
    """

    bias_multipliers = (1.0, 1.0)  # the released training treats b as any other weight

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        margin_type: MarginType = "C",
        balance: float = 0.7,
        scale: float = 40.0,
        margin: float = 0.4,
        power: float = 3.0,
        loss_weight: float = 50.0,
        gradient: Literal["exact", "detached"] = "exact",
        unit_prototypes: bool = False,
    ) -> None:
        super().__init__(num_identities, embedding_size, unit_prototypes=unit_prototypes)
        self.margin_type, self.balance, self.scale, self.margin = margin_type, balance, scale, margin
        self.power, self.loss_weight, self.gradient = power, loss_weight, gradient
        bias = balancing_bias(
            num_identities, margin_type=margin_type, balance=balance, scale=scale, margin=margin, power=power
        )
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(units(x), labels)
            entropy = head.binary_cross_entropy(
                self._target(head), others=self._other, scale=self.scale, bias=self.bias, balance=self.balance
            )
            loss = entropy * (self.loss_weight * self.num_classes / self.scale)
        without_margin = partial(
            head.without_margin, self.scale, each=partial(adjusted, power=self.power), bias=self.bias
        )
        return LossOutput(loss, {"bias": self.bias.detach().clone()}, without_margin, head.seen())

    def _target(self, head: Head) -> Tensor:
        if self.margin_type == "C":
            value = adjusted(head.target_product(), self.power) - self.margin
        else:
            theta = head.target_angle()
            moved = theta + self.margin if self.margin_type == "A" else theta * self.margin
            value = adjusted(moved.clamp(0, math.pi).cos(), self.power)
        return straight_through(value, head.target_product()) if self.gradient == "detached" else value

    def _other(self, cosine: Tensor) -> Tensor:
        value = adjusted(cosine, self.power)
        if self.margin_type == "C":
            value = value + self.margin
        return straight_through(value, cosine) if self.gradient == "detached" else value
