"""What all losses have in common: how they are called, how processes share their parameters, and, of all but
one, the prototypes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import MakeHead
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths, new_prototypes, unit_lengths
from sphereface_plus.processes import Processes


class Loss(nn.Module, ABC):
    """Embeddings (B, D), labels (B,) in 0..C-1, step -> LossOutput; its parameters are trained as well."""

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput: ...

    def begin_alike(self, processes: Processes) -> None:
        """Before the first update: every process takes the main one's parameters and buffers."""
        for tensor in self.state_dict().values():
            processes.take_mains(tensor)

    def join_gradients(self, processes: Processes) -> None:
        """After the backward of a batch that processes share: each has all parameters, and the gradient of
        its part's mean loss; that of the whole batch's is the mean of them."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                processes.average(parameter.grad)


class PrototypeLoss(Loss):
    """A loss with a prototype for each identity, `prototypes` (C, D), of which its head makes the products.

    unit_prototypes: normalise the stored prototypes in place at each forward in training, outside the graph,
    as OpenSphere does: its steps, momentum included, where the optimizer is plain SGD.
    initial: num_identities, embedding_size -> the first prototypes.
    """

    head: MakeHead = DenseHead
    """What sees all classes of a batch; another one of the same contract (head.py) can be set instead."""

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        unit_prototypes: bool = False,
        initial: Callable[[int, int], nn.Parameter] = new_prototypes,
    ) -> None:
        super().__init__()
        self.unit_prototypes = unit_prototypes
        self.prototypes = initial(num_identities, embedding_size)

    def prototype_lengths(self) -> Tensor:
        """Lengths (C,) of the prototypes: in the graph, or, with unit_prototypes, constants."""
        if self.unit_prototypes:
            return unit_lengths(self.prototypes, in_place=self.training)
        return lengths(self.prototypes)
