"""The streamed head of processes that hold other prototypes: each streams its own for all embeddings.

Shapes: R processes with B embeddings of D numbers each, A = R B; C prototypes, about C / R of them here.

Embeddings and labels of all processes are gathered. What lies at the label's prototype, the target's product
and angle, is computed by the process that holds it, and given to the process of the embedding. The sum over
the other prototypes (streaming.py) is joined over the shares: the largest logit first, then the sums. With
the joined values each process makes its part of the backward: the gradient of its own prototypes, which is
whole, and a part of that of all embeddings, which are added up where the embeddings came from (exchange.py).

So, rows.py, a prototype's gradient is that of the sum of the processes' losses. Each process must hold as
many embeddings as the others, and call the same methods in the same order, backward included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.angle import angles
from sphereface_plus.losses.exchange import all_parts, own_part, summed_to_owners
from sphereface_plus.losses.head import OverLengths, Rule, RuleOfEach
from sphereface_plus.losses.output import Seen, WithoutMargin
from sphereface_plus.losses.shared_rows import SharedRows, SomeRows
from sphereface_plus.losses.streamed_head import WithRows, entropy, products_of_rows, scaled
from sphereface_plus.losses.streaming import Classes, LogSum, Reduction, SoftplusSum, softplus, streamed
from sphereface_plus.processes import Processes


class ShardedHead:
    """The contract of head.py, for all losses of faces. Can be differentiated once.

    prototypes (n, D) and bias (n,) are the share that `rows` holds here; embeddings (B, D) and labels (B,),
    in 0..C-1, are this process's own. Of a sample (sampled_head.py) n may be 0.
    """

    def __init__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        prototypes: Tensor,
        /,
        *,
        rows: SharedRows | SomeRows,
        over_lengths: OverLengths = None,
        bias: Tensor | None = None,
    ) -> None:
        self._rows, self._processes = rows, rows.processes
        self._given, self._bias = prototypes, bias
        self._over_lengths: OverLengths = over_lengths
        self._labels = all_parts(labels, self._processes)  # (A,)
        self._embeddings = all_parts(embeddings, self._processes)  # (A, D)
        self._classes = Classes(self._labels - rows.first, over_lengths)
        self._here, self._own = rows.of_labels(self._labels)  # (h,) each: of the labels that lie here
        # (h, D), and the prototypes themselves: what is differentiated by either comes back as one gradient.
        self._target_rows, self._prototypes = WithRows.apply(prototypes, self._own)  # pyright: ignore[reportGeneralTypeIssues]
        self._seen: tuple[float | Tensor | None, LogSum] | None = None

    def target_product(self) -> Tensor:
        bias = None if self._bias is None else self._bias[self._own]
        x = self._embeddings[self._here]
        return self._to_owners(products_of_rows(x, self._target_rows, self._over_lengths, bias))

    def target_angle(self) -> Tensor:
        return self._to_owners(angles(self._embeddings[self._here], self._target_rows))

    def of_labels(self, of_classes: Tensor) -> Tensor:
        return self._to_owners(self._target_rows if of_classes is self._given else of_classes[self._own])

    def cross_entropy(
        self, target: Tensor | None = None, *, others: Rule | None = None, scale: float | Tensor | None = None
    ) -> Tensor:
        target = self.target_product() if target is None else target
        reduction = SharedLogSum(self._processes)
        of_others = self._streamed(reduction, others, scale)
        if others is None:
            self._seen = scale, reduction
        return entropy(of_others, scaled(target, scale))

    def smoothed_cross_entropy(self, *, smoothing: float, floor: float) -> Tensor:
        raise ValueError(
            "the smoothed cross-entropy is of image classification, whose few classes are not shared"
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
        of_target = softplus(-(scale * target + bias))
        of_others = self._streamed(SharedSoftplusSum(self._processes, other_weights), others, scale, bias)
        both = balance * of_target + (1 - balance) * of_others
        return (both.mean() / self._rows.num_classes).to(target.dtype)

    @torch.no_grad()
    def without_margin(
        self, scale: float | Tensor | None = None, *, each: Rule | None = None, bias: Tensor | None = None
    ) -> WithoutMargin:
        if each is None and bias is None and self._seen is not None and self._seen[0] is scale:
            reduction = self._seen[1]  # of the loss, which changed the target alone
        else:
            reduction = SharedLogSum(self._processes)
            with torch.autocast(self._embeddings.device.type, enabled=False):
                self._streamed(reduction, each, scale, bias)
        target = self.target_product()
        target = scaled(target if each is None else each(target[:, None])[:, 0], scale)
        target = target if bias is None else target + bias
        highest = own_part(reduction.highest, self._processes)
        value = own_part(reduction.value, self._processes)
        return WithoutMargin(target > highest, entropy(value, target))

    def seen(self) -> Seen:
        return Seen(self._prototypes, self._labels, self._rows.num_classes)

    def _to_owners(self, values: Tensor) -> Tensor:
        """(h, ...), of the labels that lie here -> (B, ...), of this process's labels."""
        of_everybody = values.new_zeros(len(self._embeddings), *values.shape[1:])
        return summed_to_owners(of_everybody.index_copy(0, self._here, values), self._processes)

    def _streamed(
        self,
        reduction: Reduction,
        rule: Rule | None,
        scale: float | Tensor | None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """(B,), of this process's embeddings with the other prototypes of all shares."""
        if isinstance(rule, RuleOfEach):
            rule = RuleOfEach(rule.rule, all_parts(rule.of_each, self._processes))
        if isinstance(scale, Tensor):
            scale = all_parts(scale, self._processes)
        value, prototypes = streamed(
            reduction,
            self._embeddings,
            self._prototypes,
            self._classes,
            prototype_biases=self._bias,
            rule=rule,
            scale=1.0 if scale is None else scale,
            bias=bias,
        )
        if torch.is_grad_enabled():
            self._prototypes = prototypes
        return own_part(value, self._processes)


class SharedLogSum(LogSum):
    """Over the prototypes of all processes; finish() joins them."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def finish(self) -> Tensor:
        highest = self._processes.largest(self.highest)
        self._sum = self._processes.total(self._sum * (self.highest - highest).exp())
        self.highest = highest
        return super().finish()


class SharedSoftplusSum(SoftplusSum):
    """Over the prototypes of all processes; finish() joins them."""

    def __init__(self, processes: Processes, weights: Tensor | None) -> None:
        super().__init__(weights)
        self._processes = processes

    def finish(self) -> Tensor:
        return self._processes.total(super().finish())
