"""A head that compares a batch with a sample of the prototypes, as Partial FC does (An et al. 2022).

An update sees the K classes of its batch and others, drawn at random, `rate` C in all: a share of the work
and of the products' memory. What is drawn follows from the labels of the whole batch, the run's seed and the
step: a resumed run repeats it, and the parts of a batch, in this process and in others, see the same.
Processes that hold other prototypes draw the same, too, and each sees what it holds of it: about as many as
the others, and what is learnt does not depend on how many processes there are.

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
from sphereface_plus.mhe.sampled import weight_of_drawn


@dataclass
class Sampling:
    """Makes the heads of a run, each for a sample of the prototypes: that of the batch that has begun."""

    head_among: Callable[[Tensor], MakeHead]
    """Classes (n,), ascending -> what makes a head that sees these alone; its labels are places in 0..n-1."""
    num_classes: int
    """C"""
    rate: float
    """Share of the prototypes that a step sees, above 0, at most 1."""
    draw: Callable[[int, int, int], Tensor]
    """Step, many and count -> so many different ones of 0..many-1 (count,), each choice as likely."""
    rows: Rows = field(default_factory=AllRows)
    """Which of the prototypes lie here."""
    sample: Sample | None = None

    def begin(self, step: int, labels: Tensor) -> None:
        """Draws for a step. labels: (A,), of the whole batch, in all its parts and processes."""
        certain = labels.unique()  # ascending
        batch = len(certain)
        count = sample_size(self.rate, self.num_classes, batch) - batch
        drawn = self.draw(step, self.num_classes - batch, count).to(certain) if count else certain[:0]
        # Which class is the i-th of the others: as many classes of the batch lie before it.
        before = torch.searchsorted(certain - torch.arange(batch).to(certain), drawn, right=True)
        classes = torch.cat([certain, drawn + before]).sort().values
        self.sample = Sample(classes, certain, self.num_classes, self.head_among(classes), self.rows)

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
        """Raises ValueError for labels that are not of the batch that has begun."""
        if self.sample is None or not torch.isin(labels, self.sample.certain).all():
            raise ValueError("labels that no sample was drawn for: `begin` is told those of the whole batch")
        return SampledHead(self.sample, embeddings, labels, prototypes, over_lengths=over_lengths, bias=bias)


def sample_size(rate: float, num_classes: int, of_batch: int) -> int:
    """n = rate C; where that is no more than the batch has classes, one more than these: C at most."""
    return min(max(round(rate * num_classes), of_batch + 1), num_classes)


@dataclass(frozen=True)
class Sample:
    """What a step sees."""

    classes: Tensor
    """(n,) ascending: the batch's, and those drawn."""
    certain: Tensor
    """(K,) ascending: the batch's."""
    num_classes: int
    """C"""
    make_head: MakeHead
    """Of these; its labels are places in 0..n-1."""
    rows: Rows


class SampledHead:
    """The contract of head.py. prototypes (h, D) and bias (h,): those that `sample.rows` says lie here."""

    def __init__(
        self,
        sample: Sample,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        *,
        over_lengths: OverLengths,
        bias: Tensor | None,
    ) -> None:
        self._sample, self._given = sample, prototypes
        self._rows = sample.rows.of_labels(sample.classes)[1]  # ascending, of what is held here
        self._prototypes = prototypes[self._rows]
        self._head = sample.make_head(
            embeddings,
            torch.searchsorted(sample.classes, labels),
            self._prototypes,
            over_lengths=over_lengths,
            bias=None if bias is None else bias[self._rows],
        )

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
        self,
        target: Tensor,
        *,
        others: Rule,
        scale: float,
        bias: Tensor,
        balance: float,
        other_weights: Tensor | None = None,
    ) -> Tensor:
        """Raises ValueError for weights: these are the sample's own."""
        if other_weights is not None:
            raise ValueError("the weights of a sample's prototypes follow from the draw")
        sample = self._sample
        seen, batch, classes = len(sample.classes), len(sample.certain), sample.num_classes
        if seen < classes:
            weight = weight_of_drawn(batch=batch, seen=seen, classes=classes)
            other_weights = self._prototypes.new_full((len(self._rows),), weight)
            other_weights[torch.searchsorted(self._rows, sample.rows.of_labels(sample.certain)[1])] = 1
        mean = self._head.binary_cross_entropy(
            target, others=others, scale=scale, bias=bias, balance=balance, other_weights=other_weights
        )
        return seen / classes * mean

    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        """Among the prototypes that were seen, which is easier than among all."""
        return self._head.without_margin(scale, each=each, bias=bias)

    def seen(self) -> Seen:
        sample, seen = self._sample, self._head.seen()
        certain = torch.searchsorted(sample.classes, sample.certain)
        return seen._replace(num_classes=sample.num_classes, certain=certain, classes=sample.classes)
