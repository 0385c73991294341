"""Which kind of model a file is, by its first bytes: what no command could use is refused before torch is
imported, with what it is and what takes it."""

from __future__ import annotations

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Literal

from sphereface_plus.errors import UserError

MODEL = "model.safetensors"
"""The file's name in a folder in the layout of the Hugging Face Hub (hub.py)."""
LAST = Path("checkpoints") / "last.pt"
"""In a run folder."""
STORE = "embeddings.json"
"""In a folder of embeddings (data/formats/embedding_store.py)."""

ModelKind = Literal[
    "checkpoint", "weights", "onnx", "embeddings", "pt2", "torchscript", "torch1", "caffe", "zip", "other"
]
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that torch's files began with
_ITS_SOURCE = "give the run, checkpoint or weight file that it was exported from"


class CheckpointError(UserError):
    """A file that is not a usable checkpoint; the message names it and says what is wrong."""


class DamagedError(CheckpointError):
    """A checkpoint that is not whole."""


def resolve_run(path: str | Path) -> Path:
    """The checkpoint file of a run folder, its last one, or the file itself. Raises CheckpointError."""
    path = Path(path)
    if path.is_dir():
        if not (path / LAST).is_file():
            raise CheckpointError(f"{path}: {_folder_without_model(path)}, there is no {LAST}")
        return path / LAST
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such run folder or checkpoint")
    return path


def resolve(path: str | Path) -> Path:
    """The file of a run folder, of a folder of the Hub or of embeddings, or the file itself. Raises
    CheckpointError."""
    path = Path(path)
    known = next((path / name for name in (MODEL, STORE) if (path / name).is_file()), None)
    return known or resolve_run(path)


def contents(*, model: str | Path | None, **files: Path | None) -> dict[str, str]:
    """Hashes of a model's file and of others, for `outputs.claimed`; what is None, or no file, is left out.

    Of a run folder it is the checkpoint's; an ONNX file's sidecars (spec, outer weights) count as well.
    """
    found = {name: [path] for name, path in files.items() if path is not None}
    if model is not None:
        file = resolve(model)
        found["model"] = [file, *(file.with_name(file.name + end) for end in (".yaml", ".data"))]
    hashes = {}
    for name, paths in found.items():
        if there := [path for path in paths if path.is_file()]:
            digests = b"".join(bytes.fromhex(sha256(path)) for path in there)
            hashes[name] = hashlib.sha256(digests).hexdigest()
    return hashes


def sha256(path: str | Path) -> str:
    """Hash of a file's bytes, in hexadecimal, as the command sha256sum prints it.

    A command hashes a large file once, however many of its parts ask: a file that keeps its inode, size and
    time is the same file.
    """
    state = Path(path).stat()
    return _sha256(Path(path).resolve(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_model(path: str | Path, *, onnx: bool = False, embeddings: bool = False) -> None:
    """Raises CheckpointError where the path is not a run folder, Hub folder, checkpoint or weight file.

    onnx, embeddings: whether those files serve as well. Whether the file is whole, reading it tells.
    """
    file = resolve(path)
    kind = model_kind_of(file)
    if (kind == "onnx" and onnx) or (kind == "embeddings" and embeddings):
        return
    if kind in _WORDS:
        raise CheckpointError(f"{file}: {_WORDS[kind].format(file=file)}")


_WORDS: dict[ModelKind, str] = {
    "onnx": "is an ONNX file, which `sphereface-plus embed`, `python -m eval` and the doctor take as a "
    f"model; here {_ITS_SOURCE}",
    "embeddings": "holds embeddings, which `python -m eval` takes as --model; here the model itself "
    "is needed, the one that made them",
    "pt2": "is a program of torch.export (.pt2), for torch.export.load in other programs; here "
    f"{_ITS_SOURCE}",
    "torchscript": "is a TorchScript program, which is not run here; save the state_dict() of its network, "
    "and convert that: sphereface-plus convert",
    "torch1": "is a file of torch before 1.6, and not one of ours; weights of another project have to be "
    "converted: sphereface-plus convert",
    "caffe": "is of Caffe; convert it: sphereface-plus convert {file} OUT.safetensors --from caffe",
    "zip": "is an archive that holds no model",
    "other": "is not a model; a run folder, checkpoint (.pt) or weight file (.safetensors) is needed here",
}
_OTHER = frozenset(
    (
        *(".rec", ".idx", ".bin", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".csv", ".txt", ".json", ".jsonl"),
        *(".yaml", ".yml", ".html", ".md", ".py", ".jpg", ".jpeg", ".png"),
    )
)
"""Suffixes of files that hold no model, unless their first bytes say otherwise."""


_NOT_CONVERTED: dict[ModelKind, str] = {
    "onnx": "is an ONNX file: `sphereface-plus embed`, `python -m eval` and the doctor take it as it is, "
    "with an input spec",
    "embeddings": "holds embeddings, which `python -m eval` takes as --model as they are",
    "pt2": "is a program of torch.export (.pt2)",
    "torchscript": "is a TorchScript program, which is not run here; save the state_dict() of its network",
    "zip": "is an archive, but not one of torch's; unpack it first",
    "other": "is neither torch's nor Caffe's",
}


def check_foreign(path: str | Path) -> None:
    """Raises CheckpointError where a file cannot be weights of another project, which `convert` takes."""
    words = _NOT_CONVERTED.get(model_kind_of(Path(path))) if Path(path).is_file() else None
    if words is not None:
        raise CheckpointError(f"{path}: {words}; convert takes weights, of torch or of Caffe")


def model_kind_of(file: Path) -> ModelKind:
    """What a file is, by its name for ONNX, Caffe, safetensors and an index of embeddings, else by its first
    bytes and, of an archive, the names in it; anything else is taken for a checkpoint, and refused when it is
    read."""
    by_name: dict[str, ModelKind] = {".onnx": "onnx", ".caffemodel": "caffe", ".safetensors": "weights"}
    if file.suffix in by_name:
        return by_name[file.suffix]
    if file.name == STORE:
        return "embeddings"
    with file.open("rb") as opened:
        begins = opened.read(len(_OLD_TORCH))
    if begins == _OLD_TORCH:
        return "torch1"
    if not begins.startswith(b"PK\3\4"):
        old = begins.startswith(b"\x80")  # a pickle
        return "other" if file.suffix.lower() in _OTHER and not old else "checkpoint"
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "checkpoint"  # cut short
    inner = {name.partition("/")[2] for name in names}
    if "archive_format" in inner:
        return "pt2"
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "torchscript"
    if "data.pkl" in inner:
        return "checkpoint"
    return "embeddings" if any(name.endswith(".npy") for name in names) else "zip"


def _folder_without_model(path: Path) -> str:
    if (path / "config.yaml").is_file():
        return "this run has saved no checkpoint yet"
    if (path / "manifest.csv").is_file():
        return "is a folder of crops, not a run folder"
    if (path / "report.json").is_file():
        return "is a folder of results, not a run folder"
    return "is not a run folder"
