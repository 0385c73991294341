"""Which images of a set can be used as its crops, and whether they are crops at all: every one is decoded."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sphereface_plus.data.crops import CropsError, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.packs import CropSource

from .alignment import ALIGNMENT_TEMPLATES
from .errors import PrepError
from .workers import usable_cpus

Size = tuple[int, int]
"""(H, W)"""
KNOWN_SIZES = {(template.height, template.width) for template in ALIGNMENT_TEMPLATES.values()}
SAMPLE = 50
"""Images that tell photos from crops, before all are decoded: photos are large."""


def unusable(
    crops: FaceCrops, source: Path, progress: Callable[[int, int, int], None] | None = None
) -> dict[int, str]:
    """Index of each image that no training can take -> why: not readable, or of another size than most.

    progress: called as progress(done, total, unusable).
    Raises PrepError where no manifest says how the images were aligned, and their size is not that of crops:
    they look like photos. MemoryShortError.
    """
    sample = [size for size in map(_size, crops.paths[:: -(-len(crops.paths) // SAMPLE)]) if size is not None]
    size = crops.size
    if crops.template is None:
        size = Counter([*sample, size]).most_common(1)[0][0]
        if size not in KNOWN_SIZES:
            raise PrepError(_photos(source, size, sample))
    found: dict[int, str] = {}
    for number, here in enumerate(_sizes(crops.paths)):
        if here is None:
            found[number] = "cannot be read as an image"
        elif here != size:
            found[number] = f"is {here[0]}x{here[1]}, most are {size[0]}x{size[1]}"
        if progress is not None:
            progress(number + 1, len(crops.paths), len(found))
    return found


def _photos(source: Path, size: Size, sample: Sequence[Size]) -> str:
    several = f"of {len(set(sample))} sizes" if len(set(sample)) > 1 else f"{size[0]}x{size[1]}"
    known = " or ".join(f"{height}x{width}" for height, width in sorted(KNOWN_SIZES))
    return (
        f"{source}: these look like photos (the images are {several}, crops are {known}): align them first, "
        f"python -m data_prep align {shlex.quote(str(source))} CROPS, and give CROPS here; crops of a "
        "template of your own need a manifest.csv that names it"
    )


def _sizes(paths: Sequence[CropSource]) -> Iterable[Size | None]:
    with ThreadPoolExecutor(min(8, usable_cpus())) as pool:
        for start in range(0, len(paths), 1000):
            yield from pool.map(_size, paths[start : start + 1000])


def _size(path: CropSource) -> Size | None:
    """None of what is not an image, or is cut short."""
    try:
        height, width, _ = read_crop(path).shape
    except CropsError:
        return None
    return height, width
