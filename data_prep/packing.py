"""Crops into one file: .rec or .tar, or .bin of pairs.

A packed file holds the crops' own bytes, not decoded and encoded again. Each crop is decoded once all the
same, to see that it is one, of the set's size.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from sphereface_plus.data.crops import CropsError, SpecError, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.bins import BinError, write_bin
from sphereface_plus.data.formats.image_records import check_property, write_image_records
from sphereface_plus.data.formats.manifest import MANIFEST, ManifestError, read_manifest
from sphereface_plus.data.formats.packed_faces import (
    NAMES_HEADER,
    NAMES_OF_TAR,
    SUFFIXES,
    open_pack,
    sample_names,
)
from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.data.formats.pairs import Pairs, PairsError, read_pairs
from sphereface_plus.data.formats.record_names import names_of_rec
from sphereface_plus.data.formats.recordio import RecordError
from sphereface_plus.data.formats.tar_sets import is_tar_set, open_tar_set
from sphereface_plus.data.formats.tars import TarError
from sphereface_plus.files import new_file

from .errors import PrepError

if TYPE_CHECKING:
    import pandas

Progress = Callable[[int, int, int], None]
"""Called as progress(done, total, 0) after each crop."""
_SIGNATURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n": ".png", b"BM": ".bmp", b"RIFF": ".webp"}


@contextmanager
def sentences() -> Iterator[None]:
    """What the formats refuse, as what a command prints."""
    try:
        yield
    except (BinError, CropsError, ManifestError, PairsError, RecordError, SpecError, TarError) as error:
        raise PrepError(str(error)) from None


def pack(source: Path, out: Path, progress: Progress | None = None, *, plain: bool = False) -> FaceCrops:
    """Writes the crops of a set that training reads (faces.py) to a .rec or .tar; returns the set.

    A .rec comes with its .idx, `property` and the crops' names; all appear when all are whole, or not at all.
    A folder that holds another set's `property`, or a file of that name, is refused.
    plain: a .rec of image records only. Raises PrepError.
    """
    if out.suffix not in SUFFIXES:
        hint = "; python -m data_prep make-bin makes one of pairs" if out.suffix == ".bin" else ""
        raise PrepError(f"{out}: a packed set ends in {' or '.join(SUFFIXES)}{hint}")
    if plain and out.suffix != ".rec":
        raise PrepError(f"{out}: --plain is of a .rec; a .tar holds nothing but samples as it is")
    if out.resolve() == source.resolve():
        raise PrepError(f"{out}: is the set itself; name another file")
    with sentences():
        crops = FaceCrops.open(source)
        named = names_of(source, crops)
        names, table = named.names, table_of(named, crops)
        if out.suffix == ".tar":
            images = checked(crops, range(len(names)), progress)
            write_tar(out, zip(sample_names(names), crops.labels, images, strict=True), table)
            return crops
        check_property(out, len(crops.identities), crops.size)  # before hours of work
        header, *rows = table
        order = sorted(range(len(names)), key=lambda index: crops.labels[index])  # stable: a row a record
        write_image_records(
            out,
            zip((crops.labels[index] for index in order), checked(crops, order, progress), strict=True),
            size=crops.size,
            plain=plain,
            names=_csv([header, *(rows[index] for index in order)]),
        )
    return crops


def beside(out: Path) -> list[str]:
    """Names of the files that are written beside a .rec and are its own; `property` is its folder's."""
    return [out.with_suffix(".idx").name, names_of_rec(out).name] if out.suffix == ".rec" else []


def about_set(left_out: dict[str, str], notes: list[str]) -> list[str]:
    """What a person should know of a set, in a line each: who has no crop in it, and how it is mixed."""
    lines = [f"left out: {name} ({why})" for name, why in sorted(left_out.items())[:5]]
    if len(left_out) > 5:
        lines.append(f"left out: {len(left_out) - 5:,} more")
    return lines + [f"note: {note}" for note in notes]


def make_bin(source: Path, pairs_file: Path, out: Path) -> int:
    """Writes the pairs of a list, whose photos are crops of a set, to a .bin; returns their number.

    insightface's evaluation cuts a .bin into ten stretches of its order, each of which must hold both kinds
    of pairs: so each fold of the list stands together, and in it the two kinds alternate in their shares,
    each in the list's order. Raises PrepError.
    """
    if out.suffix != ".bin":
        raise PrepError(f"{out}: a verification set ends in .bin")
    with sentences():
        crops, pairs = FaceCrops.open(source), read_pairs(pairs_file)
        index_of = {key: index for index, key in enumerate(crops.keys)}
        missing = [key for key in pairs.photos if key not in index_of]
        if missing:
            raise PrepError(
                f"{source}: has no crop of {len(missing):,} of the {len(pairs.photos):,} photos of "
                f"{pairs_file.name}, first {missing[0]}; align with --fallback centre, or drop their pairs"
            )
        chosen = [index_of[key] for key in pairs.photos]
        images = dict(zip(pairs.photos, checked(crops, chosen, None), strict=True))
        out.parent.mkdir(parents=True, exist_ok=True)
        order = _interleaved(pairs)
        images_of_pairs = ((images[pairs.first[row]], images[pairs.second[row]]) for row in order)
        write_bin(out, images_of_pairs, pairs.genuine[order].tolist())
    return len(pairs)


def _interleaved(pairs: Pairs) -> np.ndarray:
    """The rows (N,) of the pairs, fold by fold, in each of which both kinds are spread evenly."""
    place = np.empty(len(pairs))  # within the fold, from 0 to 1
    for fold in np.unique(pairs.fold):
        for kind in (True, False):
            rows = np.flatnonzero((pairs.fold == fold) & (pairs.genuine == kind))
            place[rows] = (np.arange(len(rows)) + 0.5) / max(len(rows), 1)
    return np.lexsort((~pairs.genuine, place, pairs.fold))


@dataclass(frozen=True)
class Named:
    """What a set's crops are called."""

    names: list[str]
    """Their files, relative and with suffix."""
    manifest: bytes | None = None
    """As CSV, if the set has one."""
    table: pandas.DataFrame | None = None
    """The same, parsed."""


def names_of(source: Path, crops: FaceCrops) -> Named:
    if is_tar_set(source) or (source.is_file() and source.suffix in SUFFIXES):
        packed = open_tar_set(source) if source.is_dir() else open_pack(source)
        names = zip(packed.names, packed.crops, strict=True)
        names = [name if "." in name else name + suffix_of(crop) for name, crop in names]
        return Named(names, packed.manifest_csv, packed.manifest)
    manifest = source / MANIFEST if source.is_dir() else source
    if manifest.suffix == ".csv" and manifest.is_file():
        content = manifest.read_bytes()
        table = read_manifest(manifest, content)
        return Named(table["path"].tolist(), content, table)
    names = [
        f"{crops.identities[label]}/{Path(str(path)).name}"
        for label, path in zip(crops.labels, crops.paths, strict=True)
    ]
    if len(set(names)) < len(names):
        raise PrepError(f"{source}: two crops of an identity have the same file name; rename one")
    return Named(names)


def encoded(path: CropSource) -> bytes:
    """A crop's bytes as they are."""
    return path.read() if isinstance(path, PackedCrop) else Path(path).read_bytes()


def suffix_of(crop: PackedCrop) -> str:
    """The suffix of a file of such bytes."""
    data = crop.read()
    return next((suffix for begin, suffix in _SIGNATURES.items() if data.startswith(begin)), ".img")


def checked(crops: FaceCrops, order: Iterable[int], progress: Progress | None) -> Iterator[bytes]:
    """The crops' bytes in this order. Raises CropsError, or SpecError for one of another size."""
    order = list(order)
    for done, index in enumerate(order, start=1):
        path = crops.paths[index]
        size = read_crop(path).shape[:2]
        if size != crops.size:
            raise SpecError(
                f"{path}: is {size[0]}x{size[1]}, the set's crops are {crops.size[0]}x{crops.size[1]}"
            )
        yield encoded(path)
        if progress is not None:
            progress(done, len(order), 0)


def table_of(named: Named, crops: FaceCrops) -> list[list[str]]:
    """Header and a row for each crop: the manifest's, or path and identity."""
    if named.manifest is None:
        identities = (crops.identities[label] for label in crops.labels)
        rows = map(list, zip(named.names, identities, strict=True))
        return [NAMES_HEADER.decode().strip().split(","), *rows]
    return [row for row in csv.reader(io.StringIO(named.manifest.decode("utf-8-sig"), newline="")) if row]


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def write_tar(out: Path, samples: Iterable[tuple[str, int, bytes]], table: list[list[str]]) -> None:
    """Members without times and owners: the same crops are the same tar, byte for byte."""
    with (
        new_file(out, large=True) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, label, image in samples:
            _add(tar, name, image)
            _add(tar, PurePosixPath(name).with_suffix(".cls").as_posix(), str(label).encode())
        _add(tar, NAMES_OF_TAR, _csv(table))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
    tar.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
