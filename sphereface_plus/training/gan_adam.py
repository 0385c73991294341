"""Adam of a generator or discriminator: its rate by the step, and the scaled losses of fp16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from sphereface_plus.config.gan import AdamConfig


class ScheduledAdam:
    """The optimizer of one network: `begin`, `backward` of losses, `unscale`, and `step` or `skip`.

    decay_steps: over which the rate falls linearly to 0; None for a constant one.
    precision: of the network; in fp16 losses are scaled, so that small gradients do not vanish.
    """

    def __init__(
        self, network: nn.Module, settings: AdamConfig, *, decay_steps: int | None, precision: str
    ) -> None:
        self.parameters = list(network.parameters())
        self.settings, self.decay_steps = settings, decay_steps
        betas = settings.beta1, settings.beta2
        self.adam = Adam(self.parameters, lr=settings.learning_rate, betas=betas, fused=True)
        self.scaler = torch.amp.GradScaler(self.parameters[0].device.type, enabled=precision == "fp16")

    def begin(self, step: int) -> None:
        """Sets the rate of the update in `step`, and forgets the last gradients."""
        left = 1.0 if self.decay_steps is None else 1 - step / self.decay_steps
        self.adam.param_groups[0]["lr"] = left * self.settings.learning_rate
        self.adam.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        self.scaler.scale(loss).backward()

    @property
    def gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def unscale(self) -> Tensor:
        """Undoes the scaling of the gradients; returns their norm, a scalar."""
        self.scaler.unscale_(self.adam)
        return torch.nn.utils.get_total_norm(self.gradients)

    @property
    def can_scale_less(self) -> bool:
        """Whether gradients that are not finite may come from losses that were scaled too far."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    def load_state_dict(self, state: dict[str, Any], scaling: dict[str, Any] | None) -> None:
        self.adam.load_state_dict(state)
        # The recipe's, which may have changed after a divergence.
        self.adam.param_groups[0]["lr"] = self.settings.learning_rate
        if self.scaler.is_enabled() and scaling is not None:
            self.scaler.load_state_dict(scaling)

    def step(self) -> None:
        self.adam.step()
        self.scaler.update()

    def skip(self) -> None:
        """No update, and a smaller scale from now on."""
        self.scaler.update()
