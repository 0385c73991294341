"""Photo keys: the name of a photo that does not depend on where its crop lies or how it is stored.

A key is the photo's path relative to its folder, with `/`, without the image suffix: `Aaron_Peirsol/Aaron_Peirsol_0001`.
Pairs files, manifests, folders of crops and stored embeddings meet in it.
"""

from __future__ import annotations

from pathlib import PurePath

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


def photo_key(path: str | PurePath) -> str:
    """The key of a relative path; only an image's suffix is cut, as names may hold dots (`J.Lo/J.Lo_0001.jpg`)."""
    path = PurePath(path)
    return (path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path).as_posix()
