"""What is wrong with a generator or its discriminator, in sentences: by its images, and by its log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sphereface_plus.training.gan_collapse import Collapse

ALIKE = 0.1
"""A pixel's spread over generated images, as a share of that over real ones, below which they are alike."""
COPIES = 0.01
"""Share of images that are exact copies of others."""


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
    """What its training warned of, by the training's own rules (training/gan_collapse.py), in a log's lines.

    loss: which adversarial loss it is.
    """
    rules = Collapse(loss)
    said = filter(None, (rules.warning(int(line["step"]), line) for line in lines))
    return [words.removeprefix("warning: collapse: ").split(". Try ")[0] for words in said]
