"""Pages of results: a Jinja template filled in, with its pictures in it, so that a page is one file.

Every page begins with templates/page.html.j2, which allows it no script and no reference outside itself.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sphereface_plus.words import counted

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: Path, /, **values: Any) -> str:
    """The page of a template file. Everything is escaped except what the template calls safe.

    Templates beside it and page.html.j2 can be extended. Raises jinja2.UndefinedError for a value that it
    names and does not get.
    """
    return _environment(template.parent).get_template(template.name).render(**values)


@cache
def _environment(folder: Path) -> Environment:
    """Of the templates in a folder. One for all their pages: it keeps what it has compiled."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share, digits=2: f"{100 * share:.{digits}f} %"
    environment.filters["counted"] = counted
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment


def data_uri(image: np.ndarray, *, quality: int, height: int | None = None) -> str:
    """A picture, uint8 RGB (H, W, 3), as a JPEG that a page holds in itself.

    quality: JPEG's, 0 to 100. height: what it is scaled to, in pixels; None leaves it as it is.
    """
    import cv2

    if height is not None:
        scale = height / image.shape[0]
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
