"""SGD with momentum as a recipe sets it: rates by step, clipped gradients, and the scaled losses of fp16."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus.config import OptimizerConfig
from sphereface_plus.held_rows import HeldRows
from sphereface_plus.losses.loss import Loss
from sphereface_plus.networks import parameter_groups
from sphereface_plus.stored_rows import StoredRows, read_all
from sphereface_plus.training.finetuning.freezing import network_groups
from sphereface_plus.training.schedules import learning_rate
from sphereface_plus.training.sizes import size_of, size_to_come


class ScheduledSGD:
    """One optimizer of a learner: `begin`, backward of `scaled` losses, `unscale`, and `step` or `skip`.

    network, loss: what it trains, each with its own multipliers for biases (networks/parameter_groups.py).
        Where processes hold shares of the loss's prototypes, each trains its own, and all call `unscale`
        together.
    layer_decay: factor on the rate from each part of the network to the one before it.
    precision: of the network; in fp16 losses are scaled, so that small gradients do not vanish.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        settings: OptimizerConfig,
        *,
        layer_decay: float = 1.0,
        precision: str = "fp32",
    ) -> None:
        self.parameters = [*network.parameters(), *loss.parameters()]
        self.rows, self.shares = loss.rows, {id(parameter) for parameter in loss.shares()}
        self.sgd = torch.optim.SGD(
            [
                *network_groups(network, settings, layer_decay),
                *_loss_groups(loss, settings),
            ],
            lr=settings.learning_rate,
            momentum=settings.momentum,
            fused=True,  # one pass over the weights instead of four
        )
        self.rate = partial(
            learning_rate,
            base=settings.learning_rate,
            milestones=settings.milestones,
            decay=settings.decay,
            warmup_steps=settings.warmup_steps,
        )
        self.clip_norm = settings.clip_norm
        self.scaler = torch.amp.GradScaler(self.parameters[0].device.type, enabled=precision == "fp16")

    def begin(self, step: int) -> float:
        """Sets the learning rate of the update `step`, returns it, and forgets the last gradients."""
        rate = self.rate(step)
        for group in self.sgd.param_groups:
            group["lr"] = rate * group["lr_multiplier"]
        self.sgd.zero_grad(set_to_none=True)
        return rate

    def scaled(self, loss: Tensor) -> Tensor:
        """What to call backward of."""
        return self.scaler.scale(loss)

    def unscale(self) -> Tensor:
        """Undoes the scaling of the gradients; returns their norm, a scalar, over all parameters, the shares
        of other processes among them: the same in each."""
        self.scaler.unscale_(self.sgd)
        learnt = [parameter for parameter in self.parameters if parameter.grad is not None]
        norm = _norm(parameter for parameter in learnt if id(parameter) not in self.shares)
        if not self.shares:
            return norm
        of_shares = _norm(parameter for parameter in learnt if id(parameter) in self.shares)
        return (norm.square() + self.rows.total(of_shares.square())).sqrt()

    @property
    def scale(self) -> float | None:
        """The scale of the losses; None where they are not scaled."""
        return self.scaler.get_scale() if self.scaler.is_enabled() else None

    def step(self, norm: Tensor) -> None:
        """The update, its gradient clipped, which has the norm that `unscale` returned."""
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.clip_norm, norm)
        # Not GradScaler.step: fused SGD, told to skip its first step, leaves its momentum uninitialised.
        self.sgd.step()
        self.scaler.update()

    def skip(self) -> None:
        """No update, and a smaller scale from now on, also where only another process's share overflowed."""
        for found in self.scaler._found_inf_per_device(self.sgd).values():
            found.fill_(1)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """As a checkpoint has it, shares as HeldRows; the scaling's is empty except in fp16."""
        return {
            "optimizer": self._of_rows(self.sgd.state_dict(), self.rows.kept),
            "loss_scaling": self.scaler.state_dict(),
        }

    def state_size(self) -> int:
        """About the bytes of state_dict from the first step on, those of all processes together."""

        def kept(parameter: Tensor) -> Tensor | HeldRows:
            return self.rows.kept(parameter) if id(parameter) in self.shares else parameter

        return size_of(self.state_dict()) + size_to_come(self.sgd, kept)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # A copy: a view would keep all rows in memory.
        own = self._of_rows(state["optimizer"], lambda stored: self.rows.held(stored).clone())
        self.sgd.load_state_dict(read_all(own))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["loss_scaling"])

    def _of_rows(self, state: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
        """An optimizer's state whose tensors of shared parameters, momentum, are changed."""
        if not self.shares:
            return state
        learnt = [parameter for group in self.sgd.param_groups for parameter in group["params"]]
        kept = {}
        for number, of_one in sorted(state["state"].items()):
            if id(learnt[number]) in self.shares:
                of_one = {
                    name: change(value) if isinstance(value, Tensor | StoredRows) else value
                    for name, value in of_one.items()
                }
            kept[number] = of_one
        return state | {"state": kept}


def _loss_groups(loss: Loss, settings: OptimizerConfig) -> list[dict[str, Any]]:
    groups = parameter_groups(
        loss,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay if settings.decay_prototypes else 0.0,
    )
    if settings.prototype_momentum:
        return groups
    # With momentum m a gradient is added 1 + m + m^2 + ... = 1 / (1 - m) times, over the steps to come.
    times = 1 / (1 - settings.momentum)
    return [
        group | {"momentum": 0.0, "lr": times * group["lr"], "lr_multiplier": times * group["lr_multiplier"]}
        for group in groups
    ]


def _norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
