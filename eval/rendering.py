"""Pages from eval/templates, and the photos on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphereface_plus import pages

if TYPE_CHECKING:
    from sphereface_plus.data.formats.packs import CropSource


def render(template: str, **values: Any) -> str:
    """A page from eval/templates; everything is escaped but the plots."""
    return pages.render(Path(__file__).parent / "templates" / template, **values)


def photo_name(key: str) -> str:
    """LFW's `Name/Name_0001` without the folder, which says it twice; any other key whole."""
    folder, _, name = key.rpartition("/")
    return name if name.startswith(f"{folder.rpartition('/')[2]}_") else key


def thumbnail(key: str, images: Mapping[str, CropSource] | None) -> str | None:
    """A JPEG of 112 pixels' height as a data URI; None where the image is not available."""
    from sphereface_plus.data.crops import read_crop

    if images is None or key not in images:
        return None
    return pages.data_uri(read_crop(images[key]), quality=85, height=112)
