"""A head that compares a batch with a sample of the prototypes, as Partial FC does (An et al. 2022).

An update sees the K classes of its batch and others, drawn at random, `rate` C in all: a share of the work
and of the products' memory. What is drawn follows from the labels of the whole batch and from one random
number for each class and step: a resumed run repeats it, and the parts of a batch, in this process and in
others, see the same. Processes that hold other prototypes draw the same, too, and each sees what it holds of
it: about as many as the others, and what is learnt does not depend on how many processes there are.

    softmax and its margins: the cross-entropy over those that were seen, as published. Smaller than over all,
        as the sum of exponentials is; no unbiased estimate of its logarithm is known.
    binary cross-entropy (SphereFace2): a sum over the prototypes, estimated without bias.
    Eq. (8): the same (mhe/sampled.py), of what `seen` gives.

The prototypes that a step has not seen get a gradient of 0: they still coast on their momentum and decay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sphereface_plus.losses.head import Head, MakeHead, OverLengths, Rule
from sphereface_plus.losses.output import Seen, WithoutMargin
from sphereface_plus.losses.rows import AllRows, Rows
from sphereface_plus.mhe.sampled import of_sample
from sphereface_plus.processes import gathered


@dataclass
class Sampling:
    """Makes the heads of a run, each for a sample of the prototypes."""

    head_among: Callable[[Tensor], MakeHead]
    """Classes (n,), ascending -> what makes a head that sees these alone; its labels are places in 0..n-1."""
    rate: float
    """Share of the prototypes that a step sees, above 0, at most 1."""
    numbers: Callable[[int], Tensor]
    """Step -> (C,) random numbers, uniform in 0..1: the lowest are drawn."""
    rows: Rows = field(default_factory=AllRows)
    """Which of the prototypes lie here."""
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
        own = gathered(labels) if self.rows.apart else labels
        certain = (own if self.labels is None else torch.cat([self.labels, own])).unique()  # ascending
        numbers = self.numbers(self.step)
        drawn = self.drawn(certain, numbers)
        sample = Sample(drawn, certain, len(numbers), self.head_among, self.rows)
        return SampledHead(sample, embeddings, labels, prototypes, over_lengths, bias)

    def drawn(self, classes: Tensor, numbers: Tensor) -> Tensor:
        """The batch's classes (K,), a number for each class (C,) -> those that are seen (n,), ascending."""
        count = sample_size(self.rate, len(numbers), len(classes))
        numbers = numbers.to(classes.device, copy=True)
        numbers[classes] = -1.0
        return numbers.topk(count, largest=False).indices.sort().values


def sample_size(rate: float, num_classes: int, of_batch: int) -> int:
    """n = rate C; where that is no more than the batch has classes, one more than these: C at most."""
    return min(max(round(rate * num_classes), of_batch + 1), num_classes)


@dataclass(frozen=True)
class Sample:
    """What a step sees."""

    drawn: Tensor
    """(n,) classes, ascending."""
    certain: Tensor
    """(K,) those of them that were not drawn but taken, the batch's, ascending."""
    num_classes: int
    """C"""
    head_among: Callable[[Tensor], MakeHead]
    rows: Rows


class SampledHead:
    """The contract of head.py. prototypes (h, D) and bias (h,): those that `sample.rows` says lie here."""

    def __init__(
        self,
        sample: Sample,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        over_lengths: OverLengths,
        bias: Tensor | None,
    ) -> None:
        self._sample, self._embeddings, self._labels, self._given = sample, embeddings, labels, prototypes
        self._over_lengths: OverLengths = over_lengths
        self._rows = sample.rows.of_labels(sample.drawn)[1]  # ascending, of what is held here
        self._prototypes = prototypes[self._rows]
        self._bias = None if bias is None else bias[self._rows]
        self._head = self._among(sample.drawn, self._prototypes, self._bias)

    def target_product(self) -> Tensor:
        return self._head.target_product()

    def target_angle(self) -> Tensor:
        return self._head.target_angle()

    def of_labels(self, of_classes: Tensor) -> Tensor:
        seen = self._prototypes if of_classes is self._given else of_classes[self._rows]
        return self._head.of_labels(seen)

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
        def total(head: Head, num_classes: int) -> Tensor:
            mean = head.binary_cross_entropy(target, others=others, scale=scale, bias=bias, balance=balance)
            return num_classes * mean

        drawn, certain, classes = self._sample.drawn, self._sample.certain, self._sample.num_classes
        seen, batch = len(drawn), len(certain)
        over_all_seen = total(self._head, seen)
        if seen == classes:
            return over_all_seen / seen
        rows = torch.searchsorted(self._rows, self._sample.rows.of_labels(certain)[1])
        bias_of_batch = None if self._bias is None else self._bias[rows]
        of_batch = self._among(certain, self._prototypes[rows], bias_of_batch)
        estimate = of_sample(total(of_batch, batch), over_all_seen, batch=batch, seen=seen, classes=classes)
        return estimate / classes

    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        """Among the prototypes that were seen, which is easier than among all."""
        return self._head.without_margin(scale, each=each, bias=bias)

    def seen(self) -> Seen:
        sample, seen = self._sample, self._head.seen()
        certain = torch.searchsorted(sample.drawn, sample.certain)
        return seen._replace(num_classes=sample.num_classes, certain=certain, classes=sample.drawn)

    def _among(self, classes: Tensor, prototypes: Tensor, bias: Tensor | None) -> Head:
        """The head of some classes (n,), ascending, of which prototypes are those that lie here."""
        places = torch.searchsorted(classes, self._labels)
        make_head = self._sample.head_among(classes)
        return make_head(self._embeddings, places, prototypes, over_lengths=self._over_lengths, bias=bias)
