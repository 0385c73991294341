"""Some crops with their landmarks in one picture: a person sees at once whether alignment is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from sphereface_plus.data.manifest import LANDMARK_COLUMNS, ManifestRow
from sphereface_plus.files import new_file

from .alignment import ALIGNMENT_TEMPLATES, Fit, similarity
from .images import read_photo

CONTACT_SHEET = "contact_sheet.jpg"
_COLUMNS, _ROWS = 8, 6
_ZOOM = 2
_MARGIN = 8
_CAPTION = 34  # pixels below a crop: two lines
_HEADER = 34
_PAPER, _INK, _GREY = (250, 250, 248), (20, 20, 20), (110, 110, 110)
_FOUND, _TEMPLATE, _FALLBACK = (0, 230, 90), (255, 60, 60), (200, 80, 0)


def write_contact_sheet(folder: Path, rows: Sequence[ManifestRow], fit: Fit) -> None:
    """Writes folder/contact_sheet.jpg with up to 48 crops of the manifest's rows.

    A quarter is kept for faces that were not simply detected, as they deserve the look; all are evenly spread
    over their rows. Green dots: the photo's landmarks, carried into the crop. Red crosses: the alignment
    template.
    """
    shown = _choose(rows)
    template = ALIGNMENT_TEMPLATES[rows[0].template]
    width = _MARGIN + (template.width * _ZOOM + _MARGIN) * min(len(shown), _COLUMNS)
    height = _HEADER + (template.height * _ZOOM + _CAPTION + _MARGIN) * -(-len(shown) // _COLUMNS)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(sheet), _font(12)
    title = f"{len(shown)} of {len(rows)} crops, {template.name}"
    draw.text((_MARGIN, _MARGIN), title, _INK, _font(14))
    legend = _MARGIN + 20 + draw.textlength(title, _font(14))
    _dot(draw, (legend, _MARGIN + 9))
    draw.text((legend + 8, _MARGIN + 1), "landmarks of the photo", _INK, font)
    _cross(draw, (legend + 160, _MARGIN + 9))
    draw.text((legend + 170, _MARGIN + 1), "alignment template", _INK, font)
    for index, row in enumerate(shown):
        left = _MARGIN + (index % _COLUMNS) * (template.width * _ZOOM + _MARGIN)
        top = _HEADER + (index // _COLUMNS) * (template.height * _ZOOM + _CAPTION + _MARGIN)
        crop = Image.fromarray(read_photo(folder / row.path))
        sheet.paste(
            crop.resize((template.width * _ZOOM, template.height * _ZOOM), Image.Resampling.BICUBIC),
            (left, top),
        )
        landmarks = np.array([getattr(row, name) for name in LANDMARK_COLUMNS]).reshape(5, 2)
        matrix = similarity(landmarks, template.points, fit)
        for place in _on_sheet(template.points, left, top):
            _cross(draw, place)
        for place in _on_sheet(landmarks @ matrix[:, :2].T + matrix[:, 2], left, top):
            _dot(draw, place)
        below = top + template.height * _ZOOM + 2
        draw.text((left, below), _shortened(row.identity, template.width * _ZOOM, draw, font), _INK, font)
        colour = _GREY if row.method in ("detected", "given") else _FALLBACK
        score = "" if np.isnan(row.score) else f" {row.score:.3f}"
        draw.text((left, below + 14), row.method + score, colour, font)
    with new_file(folder / CONTACT_SHEET) as file:
        sheet.save(file, format="JPEG", quality=88)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own file, as Pillow's has no letters beyond ASCII."""
    return ImageFont.truetype(get_data_path() + "/fonts/ttf/DejaVuSans.ttf", size)


def _choose(rows: Sequence[ManifestRow]) -> list[ManifestRow]:
    room = _COLUMNS * _ROWS
    special = _spread([row for row in rows if row.method not in ("detected", "given")], room // 4)
    others = _spread([row for row in rows if row.method in ("detected", "given")], room - len(special))
    return special + others


def _spread(rows: list[ManifestRow], count: int) -> list[ManifestRow]:
    if len(rows) <= count:
        return rows
    return [rows[index * len(rows) // count] for index in range(count)]


def _on_sheet(points: np.ndarray, left: int, top: int) -> list[tuple[float, float]]:
    """Points (5, 2) of a crop -> the sheet, where a pixel of the crop is _ZOOM pixels wide."""
    return [(left + (x + 0.5) * _ZOOM - 0.5, top + (y + 0.5) * _ZOOM - 0.5) for x, y in points]


def _dot(draw: ImageDraw.ImageDraw, place: tuple[float, float]) -> None:
    x, y = place
    draw.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=_FOUND, outline=_INK)


def _cross(draw: ImageDraw.ImageDraw, place: tuple[float, float]) -> None:
    x, y = place
    draw.line((x - 5, y, x + 5, y), fill=_TEMPLATE)
    draw.line((x, y - 5, x, y + 5), fill=_TEMPLATE)


def _shortened(text: str, width: int, draw: ImageDraw.ImageDraw, font) -> str:
    text = " ".join(text.split())
    while draw.textlength(text, font) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text
