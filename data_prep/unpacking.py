"""A packed file's crops as files again, in a new folder that appears whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.bins import read_bin
from sphereface_plus.data.formats.manifest import MANIFEST
from sphereface_plus.data.formats.packed_faces import SUFFIXES
from sphereface_plus.data.formats.packs import PackedCrop
from sphereface_plus.data.formats.tar_sets import is_tar_set
from sphereface_plus.files import naming, unfinished_name

from .errors import PrepError
from .packing import Progress, encoded, names_of, sentences, suffix_of

PAIRS = "pairs.txt"


def unpack(source: Path, out: Path, progress: Progress | None = None) -> int:
    """Writes the crops of a .rec, .tar, folder of tars or .bin into the new folder `out`; returns how many.

    Their manifest comes along, where there is one. A .bin becomes its distinct images and pairs.txt.
    Raises PrepError.
    """
    if source.suffix not in (*SUFFIXES, ".bin") and not is_tar_set(source):
        raise PrepError(
            f"{source}: a packed set ends in {', '.join(SUFFIXES)} or .bin, or is a folder of tars"
        )
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise PrepError(f"{out}: is there already; name a new folder")
    unfinished = unfinished_name(out)
    with naming(out):
        unfinished.mkdir(parents=True)
    try:
        with sentences():
            write = _unpack_bin if source.suffix == ".bin" else _unpack_set
            count = write(source, unfinished, progress)
        with naming(out):
            if out.is_dir():
                out.rmdir()
            unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return count


def _unpack_set(source: Path, out: Path, progress: Progress | None) -> int:
    crops = FaceCrops.open(source)
    named = names_of(source, crops)
    for number, (name, path) in enumerate(zip(named.names, crops.paths, strict=True), start=1):
        _write(out, name, encoded(path))
        if progress is not None:
            progress(number, len(named.names), 0)
    if named.manifest is not None:
        _write(out, MANIFEST, named.manifest)
    return len(named.names)


def _unpack_bin(source: Path, out: Path, progress: Progress | None) -> int:
    found = read_bin(source)
    name_of = {
        f"{number:05d}": f"images/{number:05d}{suffix_of(PackedCrop(found, number))}"
        for number in range(len(found))
    }
    for number, name in enumerate(name_of.values(), start=1):
        _write(out, name, found.read(number - 1))
        if progress is not None:
            progress(number, len(found), 0)
    lines = [
        f"{name_of[first]} {name_of[second]} {int(genuine)}\n"
        for first, second, genuine in zip(
            found.pairs.first, found.pairs.second, found.pairs.genuine, strict=True
        )
    ]
    _write(out, PAIRS, "".join(lines).encode())
    return len(found)


def _write(out: Path, name: str, data: bytes) -> None:
    """name: relative and, as the formats' readers have seen to it, inside."""
    path = out / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise PrepError(f"{name}: two crops of the set have this name; it cannot become a folder") from None
    except OSError as error:  # a name that is too long, or lies below another crop's
        raise PrepError(f"{name[:200]}: cannot be written ({error.strerror})") from None
