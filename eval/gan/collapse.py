"""What is wrong with a generator or its discriminator, in sentences: by its images, and by its log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALIKE = 0.1
"""A pixel's spread over generated images, as a share of that over real ones, below which they are alike."""
COPIES = 0.01
"""Share of images that are exact copies of others."""
EQUAL, APART = 1e-3, 1e-2
"""Of the discriminator at the end of a log: a difference of mean scores, and a loss, below these."""
_END = 0.1  # of a log


def of_images(images: np.ndarray, real: np.ndarray) -> list[str]:
    """Of generated images uint8 (N, H, W, C), beside real ones."""
    said = []
    spread, of_real = (float(some.std(axis=0, dtype=np.float64).mean()) for some in (images, real))
    if spread < ALIKE * of_real:
        said.append(
            f"its images are nearly alike: over images a pixel's standard deviation is {spread:.1f} of 255, "
            f"over real ones {of_real:.1f}; the generator has collapsed, or has not learnt yet"
        )
    copies = len(images) - len({image.tobytes() for image in images})
    if copies > COPIES * len(images):
        said.append(f"{copies:,} of {len(images):,} images are exact copies of another: it makes few images")
    return said


def of_log(lines: Sequence[dict[str, float]], loss: str) -> list[str]:
    """Of a run's log, its end. loss: which adversarial loss it is."""
    ends = lines[-max(2, round(_END * len(lines))) :] if len(lines) > 2 else []
    known = [line for line in ends if {"score_of_real", "score_of_fake", "discriminator_loss"} <= line.keys()]
    if not known:
        return []
    apart = [abs(line["score_of_real"] - line["score_of_fake"]) for line in known]
    if max(apart) < EQUAL:
        return [
            "the discriminator scores real and generated images alike at the end of its log: it has "
            "collapsed, and the generator learns nothing from it"
        ]
    if loss != "wasserstein" and max(line["discriminator_loss"] for line in known) < APART:
        return [
            "the discriminator tells all generated images from real ones at the end of its log (its loss is "
            f"below {APART}): the generator hardly learns any more"
        ]
    return []
