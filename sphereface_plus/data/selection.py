"""Which images of a training set a run sees: imbalanced classes, and a validation split.

Pure functions of labels and a seed; all return indices in increasing order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sphereface_plus.data import streams
from sphereface_plus.data.images import ImagesError

Imbalance = Literal["single", "multiple"]

# Appendix A (CIFAR-10), Appendix H.1 (CIFAR-100, whose "single" is ten classes), section 5.1.3 (MNIST).
SINGLE = {"cifar10": (1, 500), "cifar100": (10, 50), "mnist": (1, 100)}
"""Set -> number of rare classes, the first ones, and images that each of them keeps."""
MULTIPLE = {"cifar10": 500, "cifar100": 5}
"""Set -> n, where class i keeps n * (i + 1) images."""


def imbalanced_counts(name: str, kind: Imbalance, available: Sequence[int]) -> list[int]:
    """The paper's number of training images in each class of cifar10, cifar100 or mnist.

    kind: single (the first class or classes are rare) or multiple (more images with the class index).
    available: images of each class, as `np.bincount(labels)` counts them.
    Raises ImagesError for a set that the paper does not make imbalanced in this way.
    """
    paper = SINGLE if kind == "single" else MULTIPLE
    if name not in paper:
        raise ImagesError(
            f"{name}: the paper defines no {kind} imbalance for it, only for {', '.join(paper)}"
        )
    if kind == "single":
        rare, keep = SINGLE[name]
        return [keep] * rare + list(available[rare:])
    return [MULTIPLE[name] * (label + 1) for label in range(len(available))]


def choose_per_class(labels: Sequence[int] | np.ndarray, counts: Sequence[int], seed: int) -> np.ndarray:
    """Indices of counts[c] images of each class c, chosen at random. A class's choice depends on no other.

    Raises ImagesError where a class has fewer images or would have none.
    """
    label_of, chosen = np.asarray(labels), []
    for label, count in enumerate(counts):
        members = np.flatnonzero(label_of == label)
        if not 1 <= count <= len(members):
            raise ImagesError(
                f"class {label}: {count} images are asked for, it has {len(members)}; ask for 1 to that many"
            )
        random = streams.generator(seed, streams.CHOICE_OF_IMAGES, label)
        chosen.append(random.permutation(members)[:count])
    return np.sort(np.concatenate(chosen))


def validation_split(
    labels: Sequence[int] | np.ndarray, num_classes: int, per_class: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on, and of `per_class` images of each class to validate on, chosen at random.

    Raises ImagesError where a class would keep no image to train on.
    """
    counts = np.bincount(np.asarray(labels), minlength=num_classes)
    if per_class >= counts.min():
        raise ImagesError(
            f"class {counts.argmin()} has {counts.min()} images: a validation split of {per_class} a class "
            "leaves none to train on"
        )
    validation = choose_per_class(labels, [per_class] * num_classes, seed)
    return np.setdiff1d(np.arange(len(labels)), validation), validation
