"""Notices a generator or discriminator that no longer learns, and says so while the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES
from sphereface_plus.training.failures import Stretch

BLIND = 1e-3
"""Difference of the mean scores of real and generated images, and of the loss from that."""
PERFECT = 1e-3
"""The discriminator's loss above its least, where it no longer learns."""
NO_GRADIENT = 1e-7
"""Norm of the generator's whole gradient."""


class Collapse:
    """Watches a run's log. What a rule names must hold over 200 steps and five logged values; said once.

    loss: its name among the adversarial losses.
    """

    def __init__(self, loss: str) -> None:
        kind = ADVERSARIAL_LOSSES[loss]
        self._least = kind.least
        # of scores that are 0 for all images
        self._blind_loss = float(kind.discriminator(torch.zeros(1), torch.zeros(1)))
        self._blind, self._perfect, self._still = Stretch(), Stretch(), Stretch()
        self._stretches = {"blind": self._blind, "perfect": self._perfect, "still": self._still}

    def warning(self, step: int, scalars: Mapping[str, float]) -> str | None:
        """The warning, at the step where a rule first holds. scalars: the learner's of this step."""
        if "generator_gradient_norm" in scalars:  # in every n_dis-th step
            began = self._still.began(step, scalars["generator_gradient_norm"] < NO_GRADIENT)
            if began is not None:
                return self._words(
                    f"since step {began} the generator has had no gradient: it no longer learns",
                    "a lower discriminator.learning_rate, or a discriminator that is kept flat",
                )
        if "discriminator_loss" not in scalars:
            return None
        loss, apart = scalars["discriminator_loss"], scalars["score_of_real"] - scalars["score_of_fake"]
        is_blind = abs(apart) < BLIND and abs(loss - self._blind_loss) < BLIND
        began = self._blind.began(step, is_blind)
        if began is not None:
            return self._words(
                f"since step {began} the discriminator has scored real and generated images alike, at a loss "
                f"of {self._blind_loss:.3f}: neither network learns",
                "a higher discriminator.learning_rate, a smaller mhe.weight, loss.orthonormal or "
                "loss.gradient_penalty.weight, a larger loss.weight_clipping",
            )
        began = self._perfect.began(step, self._least is not None and loss - self._least < PERFECT)
        if began is not None:
            return self._words(
                f"since step {began} the discriminator has told real and generated images apart without a "
                f"mistake (loss within {PERFECT:g} of its least): it has nothing left to learn, and the "
                "generator little to learn from",
                "a lower discriminator.learning_rate, n_dis 1, more images, or a discriminator that is kept "
                "flat",
            )
        return None

    def state_dict(self) -> dict[str, Any]:
        """How long each rule has held, and what was said; plain data."""
        return {name: stretch.state_dict() for name, stretch in self._stretches.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, stretch in self._stretches.items():
            stretch.load_state_dict(state[name])

    def _words(self, what: str, remedy: str) -> str:
        return (
            f"warning: collapse: {what}. Try {remedy} (network.discriminator_normalisation=spectral, "
            "loss.gradient_penalty); earlier checkpoints and samples stay as they are"
        )
