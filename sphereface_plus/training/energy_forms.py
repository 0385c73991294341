"""The forms of MHE on prototypes that a recipe can name: mhe.form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sphereface_plus.config import MHEConfig
from sphereface_plus.losses.output import Seen
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.mhe import (
    caffe_surrogate,
    class_weights,
    classifier_energy,
    opensphere_energy,
    random_push,
    sampled_classifier_energy,
)
from sphereface_plus.mhe.share import Share

OF_SHARES = ("paper", "class_balanced")
"""Forms of prototypes that processes share."""


def energy_of(
    config: MHEConfig, photos_of_class: Tensor | None, seed: int, rows: SharedRows | None = None
) -> Callable[[Seen, int], Tensor]:
    """The unweighted energy: what a batch's loss has seen, and the step -> a scalar.

    photos_of_class: (C,) how many crops each class has; class_balanced counts by it. seed: of random_push.
    rows: what is held here where processes share the prototypes, for the forms OF_SHARES; labels are then
    those of all processes, and each has the same energy.
    """
    weights = torch.empty(0)
    if config.form == "class_balanced":
        if photos_of_class is None:
            raise ValueError("class_balanced counts a class by its photos: photos_of_class is missing")
        weights = class_weights(photos_of_class)
    how: Any = {"power": config.power, "distance": config.distance, "chunk_size": config.chunk_size}
    hold = config.hold_steps

    def share_of(seen: Seen) -> Share | None:
        if rows is None:
            return None
        those = rows if seen.classes is None else rows.among(seen.classes)
        return Share(those.first, those.num_classes, rows.total)

    def sampled(seen: Seen, step: int, class_weights: Tensor | None = None) -> Tensor:
        drawn: Any = {"num_classes": seen.num_classes, "certain": seen.certain, "share": share_of(seen)}
        return sampled_classifier_energy(
            seen.prototypes, seen.labels, class_weights=class_weights, **drawn, **how
        )

    def class_balanced(seen: Seen, step: int) -> Tensor:
        of_all = weights.to(seen.prototypes.device)
        return sampled(seen, step, of_all if seen.classes is None else of_all[seen.classes])

    def full_space(seen: Seen, step: int) -> Tensor:
        each = torch.arange(len(seen.prototypes), device=seen.prototypes.device)
        return classifier_energy(seen.prototypes, each, **how)  # each class once: the mean over all pairs

    def pushed(seen: Seen, step: int) -> Tensor:
        return random_push(seen.prototypes, seen.labels, seed, step // hold, **how)

    return {
        "paper": sampled,
        "class_balanced": class_balanced,
        "full_space": full_space,
        "caffe": lambda seen, step: caffe_surrogate(seen.prototypes, seen.labels),
        "opensphere": lambda seen, step: opensphere_energy(seen.prototypes, seen.labels),
        "random_push": pushed,
    }[config.form]
