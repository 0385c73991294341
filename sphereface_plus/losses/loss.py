"""What all losses have in common: how they are called, how processes share their parameters, and, of all but
one, the prototypes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import Head, MakeHead, OverLengths
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import make_units, new_prototypes, some_rows
from sphereface_plus.losses.rows import AllRows, Rows
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.processes import Processes, gathered


class Loss(nn.Module, ABC):
    """Embeddings (B, D), labels (B,) in 0..C-1, step -> LossOutput; its parameters are trained as well."""

    of_classes: tuple[str, ...] = ()
    """Names of the parameters and buffers with a row for each class; `rows` says what is held of them."""
    rows: Rows = AllRows()
    num_classes: int = 0
    """C"""

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput: ...

    def begin(self, step: int, labels: Tensor) -> None:
        """Before the forwards of an update. labels: of all parts of its batch, in this process."""

    def hold(self, rows: Rows) -> None:
        """Before anything was learnt: keeps the rows that this process holds, and no longer the others."""
        self.rows = rows
        for name in self.of_classes:
            tensor = getattr(self, name)
            if tensor is None or len(tensor) < self.num_classes:  # a bias not asked for; or held already
                continue
            kept = rows.held(tensor.detach()).clone()
            setattr(self, name, nn.Parameter(kept) if isinstance(tensor, nn.Parameter) else kept)

    def begin_alike(self, processes: Processes) -> None:
        """Before the first update: every process takes the main one's parameters and buffers."""
        for name, tensor in self.state_dict().items():
            if name in self.of_classes:
                self.rows.begin_alike(tensor, processes)
            else:
                processes.take_mains(tensor)

    def join_gradients(self, processes: Processes) -> None:
        """After the backward of a batch that processes share: the gradient of the whole batch's mean loss.

        Of a parameter that has no rows of classes, each process has that of its part's mean loss, or its part
        of the sum of all of them: the mean over the processes is right for both.
        """
        for name, parameter in self.named_parameters():
            if parameter.grad is None:
                continue
            if name in self.of_classes:
                self.rows.join_gradient(parameter.grad, processes)
            else:
                processes.average(parameter.grad)

    def kept_state(self) -> dict[str, Any]:
        """state_dict as a checkpoint has it: rows that processes hold apart as HeldRows."""
        return {
            name: self.rows.kept(tensor) if name in self.of_classes else tensor
            for name, tensor in self.state_dict().items()
        }

    def load_kept_state(self, state: dict[str, Any]) -> None:
        """Takes what a checkpoint has of it, of any number of processes; each its rows alone."""
        held = self.rows.held
        own = {name: held(value) if name in self.of_classes else value for name, value in state.items()}
        self.load_state_dict(own)

    def num_parameters(self) -> int:
        """How many numbers are learnt, other processes' rows among them."""
        return sum(
            self.rows.kept(parameter).numel() if name in self.of_classes else parameter.numel()
            for name, parameter in self.named_parameters()
        )

    def shares(self) -> list[nn.Parameter]:
        """The parameters of which other processes hold other rows."""
        named = self.named_parameters() if self.rows.apart else ()
        return [parameter for name, parameter in named if name in self.of_classes]


class PrototypeLoss(Loss):
    """A loss with a prototype for each identity, `prototypes` (C, D), of which its head makes the products.

    Where a process holds a share, `prototypes` are the n rows of it; num_classes is C.
    unit_prototypes: normalise the stored prototypes in place at each forward in training, outside the graph,
    as OpenSphere does: its steps, momentum included, where the optimizer is plain SGD.
    initial: num_identities, embedding_size -> the first prototypes.
    """

    head: MakeHead = DenseHead
    """What sees all classes of a batch; another one of the same contract (head.py) can be set instead."""
    of_classes = ("prototypes",)

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        unit_prototypes: bool = False,
        initial: Callable[[int, int], nn.Parameter] = new_prototypes,
    ) -> None:
        super().__init__()
        self.num_classes = num_identities
        self.unit_prototypes = unit_prototypes
        held = self.rows.stretch(num_identities)
        self.prototypes = some_rows(initial, num_identities, embedding_size, held)

    def begin(self, step: int, labels: Tensor) -> None:
        if isinstance(self.head, Sampling):
            self.head.begin(step, gathered(labels))

    def new_head(
        self, embeddings: Tensor, labels: Tensor, *, normalised: bool = True, bias: Tensor | None = None
    ) -> Head:
        """The head of a batch, embeddings (B, D) and labels (B,).

        normalised: its products are those with the prototypes over their lengths.
        Raises ValueError when embeddings and prototypes differ in D.
        """
        if embeddings.shape[1] != self.prototypes.shape[1]:
            raise ValueError(
                f"embeddings have {embeddings.shape[1]} dimensions, the loss's prototypes "
                f"{self.prototypes.shape[1]}"
            )
        if normalised and self.unit_prototypes and self.training:
            make_units(self.prototypes)
        over: OverLengths = None
        if normalised:
            over = "constant" if self.unit_prototypes else "differentiated"
        return self.head(embeddings, labels, self.prototypes, over_lengths=over, bias=bias)
