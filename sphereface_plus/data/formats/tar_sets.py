"""A packed set in a folder of tars, each of which is a packed set of its own (packed_faces.py):

    packed.json                  format, count, per_tar, of, tars (JSON)
    000000.tar, 000001.tar ...   per_tar crops each, the last one fewer, in the order of the set

`of` is a hash of the crops that are packed, by which their writer knows them again. `tars` is null until all
are written, and then holds [crops, bytes] of each: a set that lacks one is not taken for the whole.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sphereface_plus.data.formats.manifest import ManifestError, read_manifest
from sphereface_plus.data.formats.packed_faces import PackedSet, open_pack
from sphereface_plus.data.formats.tars import TarError
from sphereface_plus.files import write_text

RECORD = "packed.json"
FORMAT = 1
_OTHER_FILES = 200
"""A process's files that are open beside the tars, about."""


@dataclass(frozen=True)
class Record:
    """What packed.json holds."""

    count: int
    """Crops of the set."""
    per_tar: int
    of: str
    tars: tuple[tuple[int, int], ...] | None = None
    """(crops, bytes) of each; None while they are being written."""

    @property
    def starts(self) -> range:
        """The first crop of each tar."""
        return range(0, self.count, self.per_tar)

    def name(self, start: int) -> str:
        return f"{start // self.per_tar:06d}.tar"

    def crops_of(self, start: int) -> range:
        """The numbers of the crops in the tar that begins with crop `start`."""
        return range(start, min(start + self.per_tar, self.count))


def is_tar_set(path: str | Path) -> bool:
    """Whether a folder is such a set, finished or not."""
    return (Path(path) / RECORD).is_file()


def write_record(folder: Path, record: Record) -> None:
    write_text(folder / RECORD, json.dumps({"format": FORMAT, **asdict(record)}) + "\n")


def read_record(folder: Path) -> Record:
    """Raises TarError."""
    file = folder / RECORD
    try:
        return _record(json.loads(file.read_bytes()))
    except OSError as error:
        raise TarError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise TarError(f"{file}: is damaged, or no record of a packed set; pack the crops again") from None


def _record(content: Any) -> Record:
    """Raises ValueError, TypeError or KeyError for what is no record."""
    count, per_tar, of, tars = (content[name] for name in ("count", "per_tar", "of", "tars"))
    if (
        content["format"] != FORMAT
        or type(count) is not int
        or type(per_tar) is not int
        or type(of) is not str
    ):
        raise ValueError
    if count < 1 or per_tar < 1:
        raise ValueError
    if tars is None:
        return Record(count, per_tar, of)
    pairs = tuple((crops, size) for crops, size in tars)
    record = Record(count, per_tar, of, pairs)
    expected = [len(record.crops_of(start)) for start in record.starts[: len(pairs) + 1]]
    if any(type(size) is not int for _, size in pairs) or [crops for crops, _ in pairs] != expected:
        raise ValueError
    return record


def open_tar_set(folder: str | Path) -> PackedSet:
    """The set, as of one tar with all its crops.

    Raises TarError, also where it is not finished or lacks a tar, and ManifestError.
    """
    folder = Path(folder)
    record = read_record(folder)
    if record.tars is None:
        raise TarError(
            f"{folder}: is not finished; give the `python -m data_prep pack` that began it again (without "
            "--shard), it goes on where it stopped"
        )
    files = [folder / record.name(start) for start in record.starts]
    for file, (_, size) in zip(files, record.tars, strict=True):
        there = file.stat().st_size if file.is_file() else 0
        if there != size:
            raise TarError(
                f"{file}: has {there:,} bytes, and {RECORD} says {size:,}; give the command that packed it "
                "again, it makes what is missing"
            )
    _allow_open_files(len(files))
    packs = [open_pack(file) for file in files]
    for file, pack, (crops, _) in zip(files, packs, record.tars, strict=True):
        if len(pack.crops) != crops:
            raise TarError(
                f"{file}: has {len(pack.crops):,} crops, and {RECORD} says {crops:,}; pack them again"
            )
    names = [name for pack in packs for name in pack.names]
    content = _joined(folder, packs)
    table = None if content is None else read_manifest(folder / RECORD, content)
    if table is None and len(set(names)) < len(names):
        raise ManifestError(f"{folder}: names a crop twice")
    crops = [crop for pack in packs for crop in pack.crops]
    return PackedSet(crops, names, [each for pack in packs for each in pack.identities], table, content, None)


def _allow_open_files(count: int) -> None:
    """Lets this process hold so many files open beside its others, and twice, as packing opens a set again.

    macOS allows 256 by default, and a process may raise that itself.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * count + _OTHER_FILES
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # what cannot be opened is named where it is opened
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _joined(folder: Path, packs: list[PackedSet]) -> bytes | None:
    """The tars' manifests as one; None where the set had none. Raises ManifestError."""
    contents = [pack.manifest_csv for pack in packs]
    parts = [content.partition(b"\n") for content in contents if content is not None]
    if not parts:
        return None
    header = parts[0][0]
    if len(parts) < len(packs) or any(first != header for first, _, _ in parts):
        raise ManifestError(f"{folder}: its tars have manifests of several kinds; pack the crops again")
    return b"\n".join([header, b"".join(rows for _, _, rows in parts)])
