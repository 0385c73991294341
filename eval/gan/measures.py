"""Four measures of generated images, in any feature space: arrays in, numbers out, all in float64.

    class score               exp of the mean KL divergence of an image's classes from all images' classes
    Frechet distance          between two normal distributions that have the features' means and covariances
    kernel distance           squared maximum mean discrepancy of a cubic kernel
    precision and recall      shares of images that lie within the other set's manifold

Inception score, FID and KID are the first three in one feature space, that of the Inception network of 2015.
In others the same formulas give other numbers, which compare with each other only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sphereface_plus.errors import UserError

KERNEL_BLOCK = 1000
"""Images of a block of the kernel distance, as in arXiv:1801.01401; fewer where ten blocks need it."""
NEIGHBOURS = 3
"""Whose distance is the radius of an image's ball; k of arXiv:1904.06991."""
FEW_A_DIMENSION = 5
"""Images of either kind for each dimension, below which a Frechet distance is marked: it is too large there,
and of so few generated ones its error is said too large."""
FEW_A_CLASS = 10
"""Images of a split for each class, below which a class score is marked. The mean of the classes of N images
has too little entropy, (C - 1) / (2 N) nats where each image is of one class and all are as frequent: 5 % of
the score there, and less where classes are unsure."""
_CHUNK = 1000
"""Rows of a table of distances that are in memory at once."""


class TooFewError(UserError):
    """Too few images for a measure; the message says how many it needs."""


@dataclass(frozen=True)
class Estimate:
    """A number with how sure it is."""

    value: float
    standard_error: float | None
    """Over draws of as many generated images; None where that is not known."""
    parts: list[float] | None = None
    """Of the splits or blocks that `value` is the mean of."""
    sd: float | None = None
    """Of the parts, divided by their number: what papers write behind the ± of an inception score."""


def class_score(logits: np.ndarray, splits: int = 10) -> Estimate:
    """Equation (1) of arXiv:1606.03498, in each of equal splits; their mean. 1 is the least.

    logits: (N, C), images in the order that they were drawn. The split is the size that papers state:
    50,000 images in 10 splits are 10 times 5,000. The score grows with it: FEW_A_CLASS.
    Rows beyond the last whole split are left out.
    Raises TooFewError for fewer than two images a split.
    """
    size = len(logits) // splits
    if size < 2:
        raise TooFewError(
            f"a class score in {splits} splits needs {2 * splits} images at least, got {len(logits)}"
        )
    scores = []
    for part in range(splits):
        log_p = _log_softmax(logits[part * size : (part + 1) * size])  # (size, C)
        p = np.exp(log_p)
        log_mean = np.log(np.maximum(p.mean(axis=0), np.finfo(np.float64).tiny))
        # exp( E_x KL( p(y|x) || p(y) ) )
        scores.append(math.exp(float((p * (log_p - log_mean)).sum(axis=1).mean())))
    error = float(np.std(scores, ddof=1)) / math.sqrt(splits) if splits > 1 else None
    return Estimate(float(np.mean(scores)), error, scores, float(np.std(scores)))


def frechet_distance(generated: np.ndarray, reference: np.ndarray) -> Estimate:
    """Squared, as FID is (arXiv:1706.08500): |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), covariances by N - 1.

    generated (N, D), reference (M, D). The value falls with N by a bias that the standard error does not
    hold: compare equal numbers of images only. The standard error takes the reference as it is:
    sd(g(x)) / sqrt(N), where the influence function g is the distance's derivative by a share of generated
    images at x. It is for many images a dimension: FEW_A_DIMENSION.
    Raises TooFewError where either has no more images than there are dimensions: its covariance then has
    directions of no variance, and the distance is biased beyond use.
    """
    dimensions = generated.shape[1]
    for name, features in (("generated", generated), ("reference", reference)):
        if len(features) <= dimensions:
            raise TooFewError(
                f"a Frechet distance in {dimensions:,} dimensions needs more than {dimensions:,} {name} "
                f"images, got {len(features):,}"
            )
    mean, covariance = _moments(generated)
    mean_of_reference, covariance_of_reference = _moments(reference)
    difference = mean - mean_of_reference
    root = _square_root(covariance)
    between = _square_root(root @ covariance_of_reference @ root)  # tr of it: tr (S S')^(1/2)
    value = (
        difference @ difference
        + np.trace(covariance)
        + np.trace(covariance_of_reference)
        - 2 * np.trace(between)
    )
    # g(x) = 2 (m - m') . c + c^T (1 - T) c, with c = x - m and the optimal map between the two,
    # T = S^(-1/2) (S^(1/2) S' S^(1/2))^(1/2) S^(-1/2)
    inverse = np.linalg.pinv(root, hermitian=True)  # directions of no variance are left out
    centred = generated.astype(np.float64) - mean
    slope = np.eye(dimensions) - inverse @ between @ inverse
    influence = 2 * centred @ difference + ((centred @ slope) * centred).sum(axis=1)
    return Estimate(float(value), float(np.std(influence, ddof=1)) / math.sqrt(len(generated)))


def kernel_distance(generated: np.ndarray, reference: np.ndarray) -> tuple[Estimate, int]:
    """KID's estimator (arXiv:1801.01401), and the images of a block: the mean over disjoint blocks of both
    sets of the unbiased squared MMD with k(x, y) = (x . y / D + 1)^3. It may be below 0.

    generated (N, D), reference (M, D), both in random order. The standard error is of draws of both.
    Raises TooFewError for fewer than 20 images of either.
    """
    number = min(len(generated), len(reference))
    size = min(KERNEL_BLOCK, number // 10)
    if size < 2:
        raise TooFewError(f"a kernel distance needs 20 images of each kind at least, got {number}")
    found = []
    for start in range(0, number - size + 1, size):
        x, y = (features[start : start + size].astype(np.float64) for features in (generated, reference))
        within = sum(_off_diagonal_sum(_kernel(part, part)) for part in (x, y)) / (size * (size - 1))
        found.append(float(within - 2 * _kernel(x, y).mean()))
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found))
    return Estimate(float(np.mean(found)), error, found, float(np.std(found))), size


def precision_and_recall(generated: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Of arXiv:1904.06991, k = 3: the share of generated images within the balls of the reference, each as
    large as the distance to its third nearest of its own kind; and the share of reference images within
    those of the generated ones.

    generated (N, D), reference (M, D). Both shares depend on N and M: compare equal numbers only.
    Raises TooFewError for fewer than five images of either.
    """
    if min(len(generated), len(reference)) < NEIGHBOURS + 2:
        raise TooFewError(
            f"precision and recall need {NEIGHBOURS + 2} images of each kind at least, got {len(generated)} "
            f"and {len(reference)}"
        )
    middle = reference.mean(axis=0, dtype=np.float64)  # smaller numbers cancel less
    x, y = generated - middle, reference - middle
    return _share_within(x, y, _radii(y)), _share_within(y, x, _radii(x))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D), divided by N - 1."""
    features = features.astype(np.float64)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric matrix (D, D) without negative eigenvalues, but for rounding."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _off_diagonal_sum(matrix: np.ndarray) -> float:
    return float(matrix.sum() - np.trace(matrix))


def _radii(features: np.ndarray) -> np.ndarray:
    """Squared distance (N,) of each row to its third nearest other one."""
    radii = []
    for start, distances in _squared_distances(features, features):
        rows = np.arange(len(distances))
        distances[rows, start + rows] = np.inf  # itself
        radii.append(np.partition(distances, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1])
    return np.concatenate(radii)


def _share_within(x: np.ndarray, of: np.ndarray, radii: np.ndarray) -> float:
    inside = [(distances <= radii).any(axis=1) for _, distances in _squared_distances(x, of)]
    return float(np.concatenate(inside).mean())


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, (rows, M)) of rows of x to all of y, some rows at once."""
    of_y = (y * y).sum(axis=1)
    for start in range(0, len(x), _CHUNK):
        rows = x[start : start + _CHUNK]
        yield start, np.maximum((rows * rows).sum(axis=1)[:, None] + of_y - 2 * rows @ y.T, 0)
