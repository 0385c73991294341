"""What all losses have in common: how they are called, and how processes share their parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from sphereface_plus.losses.head import DenseHead
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.processes import Processes


class Loss(nn.Module, ABC):
    """Embeddings (B, D), labels (B,) in 0..C-1, step -> LossOutput; its parameters are trained as well."""

    head: type[DenseHead] = DenseHead
    """What makes the products with the prototypes and takes the softmax over them."""

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
