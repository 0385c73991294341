"""Photo keys: names of photos that depend neither on where a crop lies nor on how it is stored.

A key is the photo's path relative to its folder, with `/` and without the image suffix, for example
`Aaron_Peirsol/Aaron_Peirsol_0001`. Pairs files, manifests, folders of crops and stored embeddings meet in it.
"""

from __future__ import annotations

from pathlib import PurePath

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jp2", ".png", ".gif", ".bmp", ".dib", ".webp", ".avif"),
        *(".tif", ".tiff", ".pbm", ".pgm", ".pnm", ".ppm", ".pcx", ".tga", ".hdr", ".exr"),
        *(".heic", ".heif", ".hif", ".jxl"),
    )
)


def photo_key(path: str | PurePath) -> str:
    """The key of a relative path. Only an image's suffix is cut: `J.Lo/J.Lo_0001` stays as it is."""
    path = PurePath(path)
    return (path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path).as_posix()
