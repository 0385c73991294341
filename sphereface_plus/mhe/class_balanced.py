"""Eq. (8) with each class counted alike: an unbiased estimate of the full-space energy.

The full-space energy is the mean over the ordered pairs of C prototypes,

    E = 1/C  sum_c e_c        e_c = 1/(C - 1)  sum_{j != c}  f_s(|u_c - u_j|)

and Eq. (8) is the mean of e_{y_i} over a batch's labels y_1..y_m. A training draws photos and not classes: c,
which has n_c of the n photos, is a label as often as it has photos, so that the expectation of Eq. (8) is the
sum of (n_c / n) e_c, in which all others flee from whoever is photographed most. Here each label counts
w_{y_i} = n / (C n_{y_i}) times:

    1/m  sum_i  w_{y_i} e_{y_i}

Unbiased. If each place i of the batch is by itself a photo drawn uniformly, then for each i the expectation
of w_{y_i} e_{y_i} is  sum_c (n_c / n) (n / (C n_c)) e_c = 1/C sum_c e_c = E, and so is that of their mean,
however the places depend on one another. The same holds of the gradient, which is linear in the e_c. This
covers

    photos drawn independently, with replacement;
    batches cut out of a random order of all photos, as in an epoch: each place of a random order is a uniform
        photo. A batch that goes over the border of two epochs is made of such places, too. The mean over the
        places of one whole epoch is E itself, without any variance, while the prototypes stay;
    parts of a batch, and shares of several processes.

It does not hold where identities are drawn before photos (`data.images_per_identity`): there Eq. (8) itself
counts classes alike. And counting each class of a batch once, unweighted, is no such estimate: a class of n_c
photos is in a batch of m independent draws with chance 1 - (1 - n_c / n)^m, which still grows with n_c.

The price is variance where few photos stand for a class: a label of a class with one photo counts n / C
times, the mean number of photos of a class.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .classifier import classifier_energy
from .kernel import Distance
from .share import Share


def class_balanced_energy(
    prototypes: Tensor,
    labels: Tensor,
    photos_of_class: Tensor,
    *,
    power: float = 2.0,
    distance: Distance = "euclidean",
    chunk_size: int = 4096,
    share: Share | None = None,
) -> Tensor:
    """The estimate above of `hyperspherical_energy(prototypes)`; a scalar, differentiated as Eq. (8) is.

    photos_of_class: (C,) integers >= 1, how many photos of each class the training draws from.
    All else as in `classifier_energy`, the errors too; ValueError also for a class without photos.
    """
    num_classes = len(prototypes) if share is None else share.num_classes
    if photos_of_class.shape != (num_classes,) or bool((photos_of_class < 1).any()):
        raise ValueError(
            f"photos_of_class must be {num_classes} counts of at least 1, "
            f"got {tuple(photos_of_class.shape)}"
            + (f" with {int(photos_of_class.min())}" if photos_of_class.numel() else "")
        )
    return classifier_energy(
        prototypes,
        labels,
        power=power,
        distance=distance,
        chunk_size=chunk_size,
        class_weights=class_weights(photos_of_class).to(prototypes.device),
        share=share,
    )


def class_weights(photos_of_class: Tensor) -> Tensor:
    """w_c = n / (C n_c) of all C classes, in float64."""
    counts = photos_of_class.to(torch.float64)
    return counts.sum() / (len(counts) * counts)
