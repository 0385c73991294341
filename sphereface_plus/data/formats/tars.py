"""Tars of crops: each file in one found by its offset, without unpacking.

    block      512 bytes: name 0..99, size 124..135 (octal, or base 256 where the first bit is set),
               checksum 148..155, kind 156, `ustar` 257..261, prefix of the name 345..499
    member     a block, then the file's bytes, filled up to a multiple of 512
    kinds      0, 7 or NUL: a file; 5: a folder; x (pax) and L (GNU): a longer name for the next member

The offsets are found once, by walking from block to block, and kept beside the tar in `<tar>.index`, which is
used as long as it names the tar's length and time of change. Links, devices, and names that lead out of the
tar are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sphereface_plus.data.formats.keys import IMAGE_SUFFIXES
from sphereface_plus.data.formats.manifest import leads_outside
from sphereface_plus.data.formats.packs import FileByOffset
from sphereface_plus.errors import UserError
from sphereface_plus.files import write_text

BLOCK = 512
_FILES, _FOLDER, _GLOBAL = (b"0", b"7", b"\0"), b"5", b"g"
_LONG_NAME, _PAX = b"L", b"x"
_MAX_NAME = 2**16
"""Longest header of names that is read, in bytes."""
_INDEX_BEGIN = "sphereface-plus tar index 1"
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")


class TarError(UserError):
    """A tar that cannot be used; the message names the file and the byte offset or the member."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar."""

    name: str
    """With `/`, without `./` in front."""
    offset: int
    """Of its first byte in the tar."""
    num_bytes: int


class TarCrops(FileByOffset):
    """The images of a tar, in the order of their names, as a Pack (packs.py)."""

    def __init__(self, path: str | Path) -> None:
        """Finds the members, by the index if there is one. Raises TarError, also for a tar without images."""
        super().__init__(path)
        try:
            self.files = {member.name: member for member in list_members(self.path)}
        except OSError as error:
            raise TarError(f"{self.path}: cannot be read ({error.strerror})") from None
        self.images = [self.files[name] for name in sorted(self.files) if _is_image(name)]
        if not self.images:
            raise TarError(f"{self.path}: holds no image")

    def __len__(self) -> int:
        return len(self.images)

    def name(self, number: int) -> str:
        return self.images[number].name

    def num_bytes(self, number: int) -> int:
        return self.images[number].num_bytes

    image_bytes = num_bytes

    def read(self, number: int) -> bytes:
        """The image as it was encoded. Raises TarError where the tar has become shorter."""
        return self.read_member(self.images[number])

    def read_member(self, member: Member) -> bytes:
        data = self.read_at(member.offset, member.num_bytes)
        if len(data) < member.num_bytes:
            raise TarError(f"{self.path}, byte {member.offset}: the tar has become shorter than it was")
        return data


def list_members(path: Path) -> list[Member]:
    """The files of a tar in their order, by its index where that is of this tar. Raises TarError, OSError."""
    status = path.stat()
    stamp = f"{_INDEX_BEGIN}\t{status.st_size}\t{status.st_mtime_ns}"
    index = path.with_name(f"{path.name}.index")
    members = _read_index(index, stamp, status.st_size)
    if members is None:
        members = list(walk(path))
        with suppress(OSError):  # a folder that cannot be written to: the next one walks again
            _write_index(index, stamp, members)
    return members


def walk(path: Path) -> Iterator[Member]:
    """The files of a tar, from block to block. Raises TarError, OSError."""
    num_bytes = path.stat().st_size
    seen: set[str] = set()
    given: dict[str, str] = {}  # what pax and GNU say of the next member
    at = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK).rstrip(b"\0"):  # an empty block ends a tar
            where = f"{path}, byte {at}"
            size, kind = _head(where, block.ljust(BLOCK, b"\0"))
            if kind not in (_LONG_NAME, _PAX):
                size = _decimal(where, given.get("size", str(size)))
            if size > num_bytes - at - BLOCK:
                raise TarError(
                    f"{where}: {size:,} bytes are announced and {max(num_bytes - at - BLOCK, 0):,} follow; "
                    "the tar was cut short"
                )
            if kind in (_LONG_NAME, _PAX):
                if size > _MAX_NAME:
                    raise TarError(f"{where}: a name of {size:,} bytes is not taken")
                given |= _long_name(where, kind, file.read(size))
            elif kind != _GLOBAL:
                name = _checked(where, given.get("path") or _short_name(where, block.ljust(BLOCK, b"\0")))
                given = {}
                if kind in _FILES:
                    if name in seen:
                        raise TarError(f"{where}: {name!r} is in the tar a second time")
                    seen.add(name)
                    yield Member(name, at + BLOCK, size)
                elif kind != _FOLDER:
                    raise TarError(f"{where}: {name!r} is a link or device; a tar of crops holds files")
            at += BLOCK + size + -size % BLOCK
            file.seek(at)


def _head(where: str, block: bytes) -> tuple[int, bytes]:
    """Size and kind by a block that is what its checksum says."""
    checksum = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if _octal(block[148:156]) != checksum:
        if block.startswith(_COMPRESSED):
            raise TarError(f"{where}: the tar is compressed, which cannot be read at random; uncompress it")
        raise TarError(f"{where}: expected a member's block, its checksum is wrong; no tar, or damaged")
    field = block[124:136]
    size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)
    if size is None:
        raise TarError(f"{where}: the size of the member is not a number")
    return size, block[156:157]


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0")[0].strip()
    return int(digits or b"0", 8) if re.fullmatch(rb"[0-7]{0,12}", digits) else None


def _decimal(where: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise TarError(f"{where}: the size of the member is not a number")
    return int(text)


def _short_name(where: str, block: bytes) -> str:
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    # GNU's own kind of tar, `ustar ` with a blank, has times where the prefix stands.
    return _decoded(where, prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name)


def _long_name(where: str, kind: bytes, data: bytes) -> dict[str, str]:
    """`path` and `size` of the next member, as far as they are given."""
    if kind == _LONG_NAME:
        return {"path": _decoded(where, data.split(b"\0")[0])}
    found, at = {}, 0  # pax: lines `length key=value`, where length counts the whole line
    while match := re.match(rb"([0-9]{1,6}) ([^=]+)=", data[at : at + 200]):
        end = at + int(match[1])
        if not at + match.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            break
        found[_decoded(where, match[2])] = _decoded(where, data[at + match.end() : end - 1])
        at = end
    if at < len(data.rstrip(b"\0")):
        raise TarError(f"{where}: the pax header is damaged at its byte {at}")
    return {key: found[key] for key in ("path", "size") if key in found}


def _decoded(where: str, name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise TarError(f"{where}: the name {name[:60]!r} is not UTF-8; pack the tar again") from None


def _checked(where: str, name: str) -> str:
    plain = PurePosixPath(name).as_posix()
    if leads_outside(name) or not plain.isprintable():
        raise TarError(f"{where}: the name {name[:200]!r} leads out of the tar, or cannot be printed")
    return plain


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _read_index(index: Path, stamp: str, num_bytes: int) -> list[Member] | None:
    """The members, or None where the index is missing, of another tar, or damaged."""
    try:
        begin, *lines = index.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        if begin != stamp:
            return None
        members = []
        for line in lines:
            offset, size, name = line.split("\t")
            member = Member(_checked(str(index), name), _decimal("", offset), _decimal("", size))
            if member.offset + member.num_bytes > num_bytes:
                return None
            members.append(member)
        return members
    except (OSError, ValueError):
        return None


def _write_index(index: Path, stamp: str, members: list[Member]) -> None:
    lines = [stamp, *(f"{member.offset}\t{member.num_bytes}\t{member.name}" for member in members)]
    write_text(index, "\n".join(lines) + "\n")
