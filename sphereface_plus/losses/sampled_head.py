"""A head that compares a batch with a sample of the prototypes, as Partial FC does (An et al. 2022).

An update sees the K classes of its batch and others, drawn at random, `rate` C in all: a share of the work
and of the products' memory. What is drawn follows from the labels of the whole batch and from one random
number for each class and step: a resumed run repeats it, and the parts of a batch, in this process and in
others, see the same.

    softmax and its margins: the cross-entropy over those that were seen, as published. Smaller than over all,
        as the sum of exponentials is; no unbiased estimate of its logarithm is known.
    binary cross-entropy (SphereFace2): a sum over the prototypes, estimated without bias.
    Eq. (8): the same (mhe/sampled.py), of what `seen` gives.

The prototypes that a step has not seen get a gradient of 0: they still coast on their momentum and decay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sphereface_plus.losses.head import Head, MakeHead, OverLengths, Rule
from sphereface_plus.losses.output import Seen, WithoutMargin
from sphereface_plus.mhe.sampled import of_sample


@dataclass
class Sampling:
    """Makes the heads of a run, each for a sample of the prototypes."""

    make_head: MakeHead
    """Of the head that sees the sample."""
    rate: float
    """Share of the prototypes that a step sees, above 0, at most 1."""
    numbers: Callable[[int], Tensor]
    """Step -> (C,) random numbers, uniform in 0..1: the lowest are drawn."""
    step: int = 0
    labels: Tensor | None = None
    """Of all parts of the batch of that step, for the heads made from now on; None: of each head alone."""

    def __call__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        /,
        *,
        over_lengths: OverLengths = None,
        bias: Tensor | None = None,
    ) -> Head:
        certain = (labels if self.labels is None else torch.cat([self.labels, labels])).unique()  # ascending
        rows = self.drawn(certain, len(prototypes))
        return SampledHead(self.make_head, rows, certain, embeddings, labels, prototypes, over_lengths, bias)

    def drawn(self, classes: Tensor, num_classes: int) -> Tensor:
        """The batch's classes (K,) -> those that are seen (n,), ascending."""
        count = sample_size(self.rate, num_classes, len(classes))
        numbers = self.numbers(self.step).to(classes.device, copy=True)
        numbers[classes] = -1.0
        return numbers.topk(count, largest=False).indices.sort().values


def sample_size(rate: float, num_classes: int, of_batch: int) -> int:
    """n = rate C; where that is no more than the batch has classes, one more than these: C at most."""
    return min(max(round(rate * num_classes), of_batch + 1), num_classes)


class SampledHead:
    """The contract of head.py."""

    def __init__(
        self,
        make_head: MakeHead,
        rows: Tensor,  # (n,) ascending
        certain: Tensor,  # (K,) ascending: those of the rows that were not drawn
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        over_lengths: OverLengths,
        bias: Tensor | None,
    ) -> None:
        self._labels, self._num_classes, self._rows = labels, len(prototypes), rows
        self._places = torch.searchsorted(rows, labels)
        self._certain = torch.searchsorted(rows, certain)
        self._sample = prototypes[rows]
        self._bias = None if bias is None else bias[rows]
        self._embeddings, self._make_head = embeddings, make_head
        self._over_lengths: OverLengths = over_lengths
        self._head = self._among(self._sample, self._places, self._bias)

    def target_product(self) -> Tensor:
        return self._head.target_product()

    def target_angle(self) -> Tensor:
        return self._head.target_angle()

    def of_labels(self, of_classes: Tensor) -> Tensor:
        return of_classes[self._labels]

    def cross_entropy(
        self, target: Tensor | None = None, *, others: Rule | None = None, scale: float | Tensor | None = None
    ) -> Tensor:
        return self._head.cross_entropy(target, others=others, scale=scale)

    def smoothed_cross_entropy(self, *, smoothing: float, floor: float) -> Tensor:
        raise ValueError(
            "the smoothed cross-entropy is of image classification, whose few classes are all seen"
        )

    def binary_cross_entropy(
        self, target: Tensor, *, others: Rule, scale: float, bias: Tensor, balance: float
    ) -> Tensor:
        def total(head: Head, classes: int) -> Tensor:
            mean = head.binary_cross_entropy(target, others=others, scale=scale, bias=bias, balance=balance)
            return classes * mean

        seen = len(self._rows)
        over_all_seen = total(self._head, seen)
        if seen == self._num_classes:
            return over_all_seen / seen
        batch = len(self._certain)
        of_batch = self._among(
            self._sample[self._certain],
            torch.searchsorted(self._certain, self._places),
            None if self._bias is None else self._bias[self._certain],
        )
        estimate = of_sample(
            total(of_batch, batch), over_all_seen, batch=batch, seen=seen, classes=self._num_classes
        )
        return estimate / self._num_classes

    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        """Among the prototypes that were seen, which is easier than among all."""
        return self._head.without_margin(scale, each=each, bias=bias)

    def seen(self) -> Seen:
        seen = self._head.seen()
        return seen._replace(num_classes=self._num_classes, certain=self._certain, classes=self._rows)

    def _among(self, prototypes: Tensor, places: Tensor, bias: Tensor | None) -> Head:
        return self._make_head(
            self._embeddings, places, prototypes, over_lengths=self._over_lengths, bias=bias
        )
