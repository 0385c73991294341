"""Face sets in RecordIO as insightface lays them out: train.rec, train.idx, property.

    image record      header, then `flag` labels (float32) where flag > 0, then the JPEG or PNG
    header            uint32 flag, float32 label, uint64 id, uint64 id2; 24 bytes, little-endian
    record 0          flag 2, no image; labels: first identity record, last identity record + 1
    identity records  flag 2, no image; labels: first image record, last image record + 1; behind the images
    property          text: `num_classes,height,width`

Images are the records 1 .. first identity record - 1; mxnet's im2rec writes images only, from record 0. The
first label is the identity's number; insightface's own packer adds another, whether the image was aligned.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.data.formats.record_names import digest, names_of_rec, tied
from sphereface_plus.data.formats.recordio import RecordError, RecordFile, RecordWriter
from sphereface_plus.words import counted

PROPERTY = "property"
_HEADER = struct.Struct("<IfQQ")
_LABEL, _LABELS = 4, _HEADER.size  # where label and, with flag > 0, the first of the labels begin
_EXACT = 2**24
"""float32 holds integers up to here; record numbers beyond are rounded to even."""


@dataclass(frozen=True)
class Header:
    """What stands before an image."""

    flag: int
    """Number of labels that follow; 0 where `label` is the only one."""
    labels: tuple[float, ...]
    id: int


def parse_record(content: bytes) -> tuple[Header, bytes]:
    """Header and image of a record, b"" where it has none. Raises RecordError without file and offset."""
    begin = _image_begin(content)
    flag, label, number, _ = _HEADER.unpack_from(content)
    labels = struct.unpack_from(f"<{flag}f", content, _HEADER.size) if flag else (label,)
    return Header(flag, labels, number), content[begin:]


def _image_begin(content: bytes) -> int:
    if len(content) < _HEADER.size:
        raise RecordError(f"a header has {_HEADER.size} bytes, the record has {len(content)}")
    flag = int.from_bytes(content[:4], "little")
    begin = _HEADER.size + 4 * flag
    if begin > len(content):
        raise RecordError(f"{flag:,} labels are announced in a record of {len(content)} bytes")
    return begin


def pack_record(labels: float | Sequence[float], id: int, image: bytes = b"") -> bytes:
    """A record's content; one number becomes the header's label (flag 0), a sequence the labels after it."""
    if isinstance(labels, int | float):
        return _HEADER.pack(0, labels, id, 0) + image
    return _HEADER.pack(len(labels), 0, id, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


class ImageRecords:
    """The images of a .rec in the order of their keys, as a Pack (packs.py)."""

    def __init__(self, path: str | Path, index: str | Path | None = None) -> None:
        """Reads the head of each record, no image. Raises RecordError, also where record 0 contradicts."""
        self.records = RecordFile(path, index)
        self.path = self.records.path
        flags, labels, lengths = _heads(self.records)
        images = lengths > 0
        self._numbers, self._lengths = np.flatnonzero(images), lengths[images]
        if not len(self._numbers):
            raise RecordError(f"{self.path}: holds no image, {counted(len(flags), 'record')} without one")
        self.labels = labels[images]
        """float32 (N,): the first label of each image."""
        _check_record_0(self.records, images)

    def __len__(self) -> int:
        return len(self._numbers)

    def key(self, number: int) -> int:
        return int(self.records.keys[self._numbers[number]])

    def name(self, number: int) -> str:
        return f"record {self.key(number)}"

    def num_bytes(self, number: int) -> int:
        return int(self.records.lengths[self._numbers[number]])

    def image_bytes(self, number: int) -> int:
        return int(self._lengths[number])

    def where(self, number: int) -> str:
        """File and byte offset, as messages begin."""
        return f"{self.path}, byte {self.records.offsets[self._numbers[number]]}"

    def header(self, number: int) -> Header:
        return _parsed(self.records, int(self._numbers[number]))[0]

    def read(self, number: int) -> bytes:
        """The image as it was encoded. Raises RecordError."""
        content = self.records.read(int(self._numbers[number]))
        try:
            return content[_image_begin(content) :]
        except RecordError as error:
            raise RecordError(f"{self.where(number)}: {error}") from None

    def digest(self) -> str:
        """By which the names of these images are known (record_names.py)."""
        return digest(self.records.num_bytes, self.records.offsets[self._numbers], self.labels)

    def identity_labels(self) -> np.ndarray:
        """int64 (N,): the labels as whole numbers from 0. Raises RecordError for one that is none."""
        with np.errstate(invalid="ignore"):  # a signalling NaN: in comparisons, too
            whole = self.labels.astype(np.int64)
            wrong = (whole != self.labels) | (self.labels < 0) | (self.labels > _EXACT)
        if wrong.any():
            number = int(np.argmax(wrong))
            raise RecordError(
                f"{self.where(number)}: {self.name(number)} has the label {self.labels[number]:g}; "
                "an identity's is 0, 1, 2, ..."
            )
        return whole


def _heads(records: RecordFile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each record: flag uint32 (N,), first label float32 (N,), bytes of its image int64 (N,), 0: none."""
    flags = records.words(0)
    labels = (
        np.where(flags > 0, records.words(_LABELS), records.words(_LABEL)).astype(np.uint32).view(np.float32)
    )
    behind = records.lengths - _HEADER.size - 4 * flags.astype(np.int64)  # bytes of the image
    lengths = np.maximum(behind, 0)
    num_bytes = 0
    for number in np.flatnonzero((records.cflags != 0) | (behind < 0)):  # in parts, or wrong
        header, image = _parsed(records, int(number))
        num_bytes += len(image) + 4 * header.flag
        if num_bytes > records.num_bytes:  # a long record that is read for each of a million keys
            raise RecordError(f"{records.path}: its records lie in one another; the .idx is of another file")
        with np.errstate(invalid="ignore"):  # a label that is a signalling NaN
            flags[number], labels[number], lengths[number] = header.flag, header.labels[0], len(image)
    return flags, labels, lengths


def _parsed(records: RecordFile, number: int) -> tuple[Header, bytes]:
    content = records.read(number)
    try:
        return parse_record(content)
    except RecordError as error:
        raise RecordError(f"{records.path}, byte {records.offsets[number]}: {error}") from None


def _check_record_0(records: RecordFile, images: np.ndarray) -> None:
    """Raises RecordError where record 0 tells of other images than there are."""
    if images[0] or not records.indexed:
        return  # im2rec's: images from the first record on; or nothing says which record is 0
    where = f"{records.path}, byte {records.offsets[0]}"
    header, _ = _parsed(records, 0)
    first = header.labels[0]
    if header.flag != 2 or not first >= 1:
        raise RecordError(f"{where}: record 0 has no image, and is not a list of identity records either")
    last = int(records.keys[np.flatnonzero(images)[-1]])
    if first <= _EXACT and last != first - 1:
        raise RecordError(
            f"{where}: by record 0 the images end with record {first - 1:.0f}, and the last one is {last}; "
            "the .rec and its .idx do not belong together, or one was cut short"
        )


def write_image_records(
    path: str | Path,
    images: Iterable[tuple[int, bytes]],
    *,
    size: tuple[int, int] | None = None,
    plain: bool = False,
    names: bytes | None = None,
) -> int:
    """Writes (label, image) with an .idx, identity records, record 0 and, with size (H, W), `property`.

    The images of a label must follow one another, as insightface's ranges have it; labels begin with 0 and
    have no gaps. plain: neither record 0 nor identity records, and images from record 0 on, as im2rec has
    it. names: a CSV of a row an image, written beside it as record_names.py has it. All files appear
    together.
    Returns the number of images. Raises RecordError for labels in another order and for another set's
    `property` (check_property), WriteError; then, and where the images raise, nothing is written.
    """
    path = Path(path)
    starts: list[int] = []  # of each identity
    number, offsets, labels = 0, array("q"), array("f")
    with RecordWriter(path) as writer:
        for number, (label, image) in enumerate(images, start=1):
            if label == len(starts):
                starts.append(number)
            elif label != len(starts) - 1:
                raise RecordError(
                    f"{path}: image {number} has the label {label} after {len(starts) - 1}; images go "
                    "identity by identity, 0, 1, 2, ..."
                )
            if number + len(starts) > _EXACT:
                raise RecordError(
                    f"{path}: more than {_EXACT:,} records cannot be told apart by float32 ranges"
                )
            key = number - 1 if plain else number
            offsets.append(writer.num_bytes)
            labels.append(label)
            writer.write(key, pack_record(float(label), key, image))
        if not starts:
            raise RecordError(f"{path}: there is no image to write")
        if not plain:
            for identity, (start, end) in enumerate(zip(starts, [*starts[1:], number + 1], strict=True)):
                key = number + 1 + identity
                writer.write(key, pack_record((start, end), key))
            writer.write(0, pack_record((number + 1, number + 1 + len(starts)), 0))
        if size is not None and check_property(path, len(starts), size):
            text = f"{len(starts)},{size[0]},{size[1]}\n"
            writer.open(path.parent / PROPERTY).write(text.encode())
        if names is not None:
            records = digest(writer.num_bytes, np.array(offsets), np.array(labels))
            writer.open(names_of_rec(path)).write(tied(names, records))
    return number


def check_property(path: str | Path, num_classes: int, size: tuple[int, int]) -> bool:
    """Whether `property` is to be written for the .rec `path`: there is none, or one of what is replaced.

    insightface has one `property` in a folder. Raises RecordError where it is another set's, or no such file.
    """
    path = Path(path)
    file = path.parent / PROPERTY
    if not file.exists():
        return True
    advice = f"name another folder for {path.name}"
    try:
        found = read_property(file)
    except RecordError:
        raise RecordError(f"{file}: is there already and is not a face set's; {advice}") from None
    if found == (num_classes, *size):
        return False
    if [*path.parent.glob("*.rec")] == [path]:
        return True
    raise RecordError(
        f"{file}: says {counted(found[0], 'identity')} and {found[1]}x{found[2]}, as another set in "
        "this folder has, "
        f"and {path.name} would have {num_classes:,} and {size[0]}x{size[1]}; {advice}"
    )


def read_property(path: str | Path) -> tuple[int, int, int]:
    """(num_classes, height, width) of a `property` file. Raises RecordError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    match = re.fullmatch(r"(\d{1,9}),\s*(\d{1,9}),\s*(\d{1,9})", text)
    if match is None:
        raise RecordError(f"{path}: expected `num_classes,height,width`, got {text[:60]!r}")
    num_classes, height, width = map(int, match.groups())
    return num_classes, height, width
