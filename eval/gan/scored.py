"""The scores of one generator in one feature space, and what the page needs of its features.

A hundred checkpoints of 50,000 images have 60 GB of Inception's features. Where they are not to be kept,
their scores are in their place, so that a measurement that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.files import write_text

from .extractors import Extractor
from .neighbours import QUERIES
from .scores import Features, scores
from .sources import Source, files_of

FORMAT = 3
"""Of what is kept: another one is measured anew."""

Scored = tuple[dict[str, Any], np.ndarray]
"""The scores, and features (Q, D) of the first images, whose neighbours the page shows."""


def scored(of_made: Callable[[], Features], of_real: Features, splits: int) -> Scored:
    """of_made: computes or reads the features of the generated images."""
    made = of_made()
    return scores(made, of_real, splits), made[0][:QUERIES].copy()


def scored_once(
    of_made: Callable[[], Features],
    of_real: Features,
    splits: int,
    *,
    source: Source,
    reference: Source,
    extractor: Extractor,
    store: Path,
) -> Scored:
    """The same, kept in `store` in the place of the source's features, which are deleted there."""
    what = [FORMAT, source.key, source.count, reference.key, reference.count, splits]
    what += [extractor.sha256, extractor.resize]
    file = store / f"scores_{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:20]}.json"
    found = _kept(file)
    if found is None:
        found = scored(of_made, of_real, splits)
        write_text(file, json.dumps({"scores": found[0], "first": found[1].tolist()}))
    for features in files_of(source, extractor, store):
        features.unlink()
    return found


def _kept(file: Path) -> Scored | None:
    """None where it is not there, or is damaged: it is made again."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return kept["scores"], np.array(kept["first"], np.float32)
    except (OSError, ValueError, KeyError):
        return None
