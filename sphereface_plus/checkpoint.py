"""Checkpoints on disk: written whole or not at all, read as plain data only."""

from __future__ import annotations

import errno
import io
import pickle
import pickletools
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sphereface_plus import stored_rows
from sphereface_plus.errors import memory_is_short
from sphereface_plus.files import new_file
from sphereface_plus.held_rows import KEY
from sphereface_plus.model_files import CheckpointError, DamagedError
from sphereface_plus.model_files import resolve_run as resolve
from sphereface_plus.model_files import sha256 as sha256

FORMAT, WITH_SHARES = 1, 2
"""Of a file that holds everything; and of one whose rows lie in others beside it (held_rows.py)."""
_NUMBERS = frozenset(
    (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
)
MAX_DEPTH, MAX_COST = 1000, 10**8
"""Of tuples in tuples: how deep, and how many values the outermost one holds."""


def save(path: str | Path, payload: dict[str, Any]) -> None:
    """Writes a checkpoint. Whatever happens meanwhile, `path` holds the old one whole or the new one whole.

    payload: tensors and plain data (dict, list, tuple, str, numbers); `load` refuses anything else.
    Raises WriteError, for a full disk, too.
    """
    with new_file(path, large=True) as file:
        torch.save({"format": WITH_SHARES if KEY in payload else FORMAT, **payload}, file)


def load(path: str | Path, *, unread: Container[str] = ()) -> dict[str, Any]:
    """The payload of a checkpoint or of a run folder's last one, on the CPU.

    unread: parts of it that nobody looks at, whose rows may stay where they lie. Raises CheckpointError.
    """
    file = resolve(path)
    payload = load_apart(file)
    if KEY not in payload:
        return payload
    stored_rows.check_bytes(file, payload, stored_rows.wrong_bytes(file, payload))
    del payload[KEY]
    read = {name: part if name in unread else stored_rows.read_all(part) for name, part in payload.items()}
    return read | {"format": FORMAT}


def load_apart(path: str | Path) -> dict[str, Any]:
    """The same, with StoredRows in the place of tensors that lie in other files, of which only sizes and
    headers were looked at: `stored_rows.wrong_bytes` does the rest."""
    file = resolve(path)
    try:
        with zipfile.ZipFile(file) as archive:
            # torch does not compress: a compressed file may be a bomb.
            if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
                raise zipfile.BadZipFile("it is compressed")
            damaged = archive.testzip()  # torch itself does not compare checksums
            check_tuples(archive)
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} does not match")
        payload = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{file}: holds more than tensors and plain data; refused, as reading that could run its code"
        ) from None
    except Exception as error:  # a hostile pickle can raise anything; what it cannot do is run
        # Of the disk or the network, and the file may be whole; a wrong offset in the file is EINVAL.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from None
        reason = (str(error) or type(error).__name__).partition("\n")[0][:200]
        if memory_is_short(error):
            raise CheckpointError(f"{file}: cannot be read, memory is short ({reason})") from None
        raise DamagedError(f"{file}: is damaged, cut short or no checkpoint ({reason})") from None
    if not isinstance(payload, dict) or type(payload.get("format")) is not int:
        raise CheckpointError(
            f"{file}: is a file of torch's, but no checkpoint of sphereface_plus; weights of another project "
            "have to be converted: sphereface-plus convert"
        )
    if payload["format"] not in (FORMAT, WITH_SHARES):
        raise CheckpointError(
            f"{file}: has format {payload['format']}, this version reads {FORMAT} and {WITH_SHARES}; take a "
            "newer version"
        )
    if payload["format"] == WITH_SHARES:
        stored_rows.stored_in(file, payload)
    return payload


def check_tuples(file: zipfile.ZipFile | bytes) -> None:
    """Raises ValueError for tuples in tuples that could not be hashed, as torch does for a dict's key.

    A small file may nest them so deep that Python's hash overflows the stack, which ends the process, or name
    one twice in the next, and that twice in the next, so that the hash never ends.
    file: torch's archive, or what torch wrote before it had one: five pickles, and then numbers.
    """
    if isinstance(file, zipfile.ZipFile):
        for name in file.namelist():
            if name.endswith("data.pkl"):
                _check_tuples(io.BytesIO(file.read(name)))
        return
    pickles = io.BytesIO(file)
    for _ in range(5):
        _check_tuples(pickles)


def _check_tuples(pickled: io.BytesIO) -> None:
    """Goes through one pickle as its machine does, with (depth, cost of the hash) in each value's place."""
    stack: list[tuple[int, int] | None] = []  # None: a mark
    memo: dict[int, tuple[int, int] | None] = {}
    for opcode, argument, _ in pickletools.genops(pickled):
        name, before = opcode.name, opcode.stack_before
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else int(argument)] = stack[-1]
            continue
        if argument is not None and name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])
            continue
        start = len(stack) - len(before)
        if pickletools.markobject in before:
            mark = next((at for at in reversed(range(len(stack))) if stack[at] is None), -1)
            start = mark - before.index(pickletools.markobject)
        if start < 0:
            raise ValueError("a value is missing")
        taken = [value for value in stack[start:] if value is not None]
        del stack[start:]
        if name == "MARK":
            stack.append(None)
        elif name.startswith("TUPLE"):
            depth = 1 + max((depth for depth, _ in taken), default=0)
            cost = 1 + sum(cost for _, cost in taken)
            if depth > MAX_DEPTH or cost > MAX_COST:
                raise ValueError("its tuples are nested too deep")
            stack.append((depth, cost))
        elif name == "EMPTY_TUPLE":
            stack.append((1, 1))
        else:
            stack += [(0, 1)] * len(opcode.stack_after)


def is_plain(tensor: Tensor) -> bool:
    """Whether it holds usual numbers that all lie in memory, one by one: a view with a stride of 0 may claim
    any size, and copying it would take memory that its file has not."""
    return (
        tensor.layout == torch.strided
        and tensor.dtype in _NUMBERS  # of others, torch cannot copy some, and drops half of a complex one
        and not (tensor.is_meta or tensor.is_nested)
        and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
    )
