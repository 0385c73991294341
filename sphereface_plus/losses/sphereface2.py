"""SphereFace2: one binary classification per identity instead of a softmax (Wen et al. 2022,
arXiv:2108.01513)."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.losses.angle import angles, cosines, straight_through, with_target
from sphereface_plus.losses.head import counted
from sphereface_plus.losses.loss import Loss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths_of, new_prototypes

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


class SphereFace2Loss(Loss):
    """Weighted binary cross-entropy over all B C pairs of an embedding and a prototype.

        logit = r g'(theta) + b         loss = loss_weight C / r  mean(weight BCE(logit, is target))

    with weight = balance for the target and 1 - balance for the others, and g' by margin_type:
      "C"  g(cos theta) - margin for the target, g(cos theta) + margin for the others
      "A"  g(cos(theta + margin)) for the target, g(cos theta) for the others; margin in radians
      "M"  g(cos(margin theta)) for the target, likewise; the moved angle of A and M ends at pi

    Embeddings and prototypes are normalised; b is one trained number. At margin 0 (for M: 1) all are one.
    gradient: "exact" is the formula's; "detached" is the released code's, where a logit feels the plain
    cosine's gradient.

    unit_prototypes: normalise the stored prototypes in place at each forward in training, outside the graph,
    as OpenSphere does: its steps, momentum included, where the optimizer is plain SGD.
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
        super().__init__()
        self.unit_prototypes = unit_prototypes
        self.margin_type, self.balance, self.scale, self.margin = margin_type, balance, scale, margin
        self.power, self.loss_weight, self.gradient = power, loss_weight, gradient
        self.prototypes = new_prototypes(num_identities, embedding_size)
        bias = balancing_bias(
            num_identities, margin_type=margin_type, balance=balance, scale=scale, margin=margin, power=power
        )
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            cosine = cosines(x, self.prototypes, self._lengths())
            is_target = with_target(torch.zeros_like(cosine), labels, cosine.new_ones(len(labels)))
            logits = self._logits(x, labels, cosine, is_target)
            weight = self.balance * is_target + (1 - self.balance) * (1 - is_target)
            entropy = F.binary_cross_entropy_with_logits(logits, is_target, weight)
            loss = entropy * (self.loss_weight * len(self.prototypes) / self.scale)
            plain_logits = self.scale * adjusted(cosine.detach(), self.power) + self.bias.detach()
        return LossOutput(loss, {"bias": self.bias.detach().clone()}, partial(counted, plain_logits, labels))

    def _logits(self, x: Tensor, labels: Tensor, cosine: Tensor, is_target: Tensor) -> Tensor:
        values = self._with_margin(x, labels, cosine, is_target)
        if self.gradient == "detached":
            values = straight_through(values, cosine)
        return self.scale * values + self.bias  # (B, C), of the sigmoid, not of a softmax

    def _with_margin(self, x: Tensor, labels: Tensor, cosine: Tensor, is_target: Tensor) -> Tensor:
        values = adjusted(cosine, self.power)  # (B, C)
        if self.margin_type == "C":
            return values - self.margin * (2 * is_target - 1)
        theta = angles(x, self.prototypes[labels])
        moved = theta + self.margin if self.margin_type == "A" else theta * self.margin
        return with_target(values, labels, adjusted(moved.clamp(0, math.pi).cos(), self.power))

    def _lengths(self) -> Tensor:
        return lengths_of(self.prototypes, unit=self.unit_prototypes, training=self.training)
