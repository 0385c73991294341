"""Templates: one embedding for all faces of a person that belong together, photos and frames of videos.

Shapes: N faces, T templates, D numbers in an embedding. x are the embeddings, w the faces' weights.

    faces    t = sum over all faces of w x
    media    t = sum over the media of the mean of w x over a media's faces, so that a video of a thousand
             frames counts as one photo does

Only t's direction counts. x is divided by its length, or not; w is 1, or the detector's score: see WEIGHTS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from sphereface_plus.data.formats.ijb import Faces, IjbError

TemplateKind = Literal["media", "faces"]
Weight = Literal["none", "detector", "length", "both"]
WEIGHTS: dict[Weight, str] = {
    "none": "Each face has the same weight.",
    "detector": "Faces are weighted by the detector's score.",
    "length": "Faces are weighted by the length of their embeddings, as the network gives them.",
    "both": "Faces are weighted by the detector's score, and by the length of their embeddings.",
}
FACES_AT_ONCE = 2**14
"""64 MiB of 512 numbers in float64."""


def averaged(
    embeddings: np.ndarray,
    faces: Faces,
    kind: TemplateKind,
    scores: np.ndarray | None = None,
    *,
    keep_length: bool = False,
    origin: str = "the embeddings",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The templates' numbers (T,), rising, and unit embeddings (T, D) float32, of embeddings (N, D).

    scores: (N,) the weights w; None: all 1. keep_length: embeddings are not divided by their lengths. origin:
    where the embeddings are from, for messages.
    Raises IjbError where an embedding is not finite or 0, or the faces of a template cancel out.
    """
    order = np.lexsort((faces.media, faces.template))  # stable: in a media, in the list's order
    template, media = faces.template[order], faces.media[order]
    starts = np.flatnonzero(np.append(True, np.diff(template) != 0))
    new_media = np.append(True, (np.diff(template) != 0) | (np.diff(media) != 0))
    units = np.empty((len(starts), embeddings.shape[1]), dtype=np.float32)
    bad: list[int] = []
    for first, last in _stretches(np.append(starts, len(order))):
        part = slice(starts[first], starts[last] if last < len(starts) else len(order))
        rows = np.asarray(embeddings[order[part]], dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        wrong = ~(np.isfinite(lengths) & (lengths > 0))
        if wrong.any():  # the search goes on, so that all are counted
            bad += order[part][wrong].tolist()
            continue
        weight = np.ones(len(rows)) if scores is None else scores[order[part]]
        rows *= (weight if keep_length else weight / lengths)[:, None]
        begin = starts[first:last] - part.start
        if kind == "media":
            of_media = np.flatnonzero(new_media[part])
            rows = np.add.reduceat(rows, of_media) / np.diff(np.append(of_media, len(rows)))[:, None]
            begin = np.searchsorted(of_media, begin)
        sums = np.add.reduceat(rows, begin)
        lengths = np.sqrt(np.einsum("td,td->t", sums, sums))
        if not lengths.all():
            number = template[starts[first + int(np.argmin(lengths))]]
            raise IjbError(
                f"{origin}: the faces of template {number} cancel out, or all have weight 0, so that it has "
                "no direction; are these the features of this list?"
            )
        units[first:last] = sums / lengths[:, None]
        if progress is not None:
            progress(part.stop, len(order))
    if bad:
        raise IjbError(f"{origin}: {_named(bad, faces.names)}")
    return template[starts], units


def _stretches(borders: np.ndarray):
    """(first, last) of the templates that are taken at once, by the borders (T + 1,) between their faces."""
    first = 0
    while first < len(borders) - 1:
        last = int(np.searchsorted(borders, borders[first] + FACES_AT_ONCE, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def _named(bad: list[int], names: Sequence[str]) -> str:
    rows = sorted(bad)
    shown = ", ".join(f"{names[row]} in row {row:,}" for row in rows[:3])
    more = ", ..." if len(rows) > 3 else ""
    return (
        f"{len(rows):,} of the {len(names):,} embeddings are not finite, or 0 ({shown}{more}, counted from "
        "0); make them again"
    )
