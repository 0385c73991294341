"""arcface_torch's classifier, of which each rank keeps a part in a file of its own, merged.

    rank:<r>_softmax_weight.pt, rank_<r>_softmax_weight.pt    the matrix itself         (2021)
    softmax_fc_gpu_<r>.pt                                     {"weight": matrix}        (early 2022)
    checkpoint_gpu_<r>.pt                                     that under state_dict_softmax_fc, beside the
                                                              network, the optimizer and `global_step`

Of C people, rank r of W has C // W rows, and one more if r < C % W; they follow one another in the order of
the labels (partial_fc.py and partial_fc_v2.py of deepinsight/insightface, recognition/arcface_torch, read at
16e0d28 and 531cb1e; train_v2.py at 0696141). How many ranks there were stands in none of these files, so that
a missing last one does not show where the others are of equal lengths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.torch_files import read_part
from sphereface_plus.words import counted

_KINDS = {
    "softmax_weight": re.compile(r"rank[:_]([0-9]{1,5})_softmax_weight\.pt"),
    "softmax_fc_gpu": re.compile(r"softmax_fc_gpu_([0-9]{1,5})\.pt"),
    "checkpoint_gpu": re.compile(r"checkpoint_gpu_([0-9]{1,5})\.pt"),
}
_MOMENTUM = re.compile(r"rank[:_][0-9]{1,5}_softmax_weight_mom\.pt")


def parts_among(files: Sequence[Path]) -> list[Path]:
    """All the parts that `files` name: those of a folder, or the files themselves. Raises PretrainedError."""
    found: list[Path] = []
    for file in files:
        if not file.is_dir():
            found.append(file)
            continue
        inside = [path for path in sorted(file.iterdir()) if _part(path) is not None]
        kinds = sorted({kind for kind, _ in map(_named, inside)})
        if not kinds:
            raise PretrainedError(
                f"{file}: holds no part of a classifier of arcface_torch, such as rank_0_softmax_weight.pt, "
                "softmax_fc_gpu_0.pt or checkpoint_gpu_0.pt"
            )
        if len(kinds) > 1:
            raise PretrainedError(
                f"{file}: holds classifiers of several kinds ({', '.join(kinds)}); name the files of one by "
                "--head"
            )
        found += inside
    return found


def parts_beside(source: Path) -> list[Path]:
    """A checkpoint_gpu_<r>.pt and those of the other ranks in its folder; nothing for another file."""
    part = _part(source)
    if part is None or part[0] != "checkpoint_gpu":
        return []
    return [path for path in source.parent.iterdir() if (_part(path) or ("",))[0] == "checkpoint_gpu"]


def are_parts(files: Sequence[Path]) -> bool:
    """Whether their names say so. Raises PretrainedError for momentum, which has a part's shape."""
    if momentum := next((file for file in files if _MOMENTUM.fullmatch(file.name)), None):
        raise PretrainedError(
            f"{momentum}: holds the optimizer's momentum; the prototypes are in "
            f"{momentum.name.replace('_mom', '')}"
        )
    return all(_part(file) is not None for file in files)


def merged(files: Sequence[Path], embedding_size: int) -> tuple[Tensor, str]:
    """The prototypes (C, D) of all ranks, given in any order, and a sentence about them.

    Raises PretrainedError for a rank that is missing or there twice, prototypes that are not of
    embedding_size numbers, and parts that are not of one classifier.
    """
    file_of: dict[int, Path] = {}
    for file in files:
        _, rank = _named(file)
        if rank in file_of:
            raise PretrainedError(f"{file}: is rank {rank}, and so is {file_of[rank]}; name each rank once")
        file_of[rank] = file
    if len(kinds := sorted({_named(file)[0] for file in files})) > 1:
        raise PretrainedError(
            f"{files[0]}: the parts are of several kinds, {', '.join(kinds)}; name those of one"
        )
    last = max(file_of)
    if gap := set(range(last)) - set(file_of):
        raise PretrainedError(
            f"{file_of[last]}: is rank {last}, and the file of rank {min(gap)} is missing; without its "
            "people the labels of all behind them would move"
        )
    ordered = [file_of[rank] for rank in range(len(file_of))]
    rows, steps = [], []
    for file in ordered:
        weight, step = read_part(file)
        if weight.shape[1] != embedding_size:
            raise PretrainedError(
                f"{file}: its prototypes have {weight.shape[1]} numbers, the network's embeddings "
                f"{embedding_size}; it is of another training"
            )
        rows.append(weight)
        steps.append(step)
    for file, step in zip(ordered, steps, strict=True):
        if step != steps[0]:
            raise PretrainedError(
                f"{file}: was saved after step {step}, {ordered[0].name} after {steps[0]}; the parts must be "
                "of one moment"
            )
    lengths = [len(part) for part in rows]
    total, ranks = sum(lengths), len(lengths)
    if lengths != [total // ranks + (rank < total % ranks) for rank in range(ranks)]:
        raise PretrainedError(
            f"{ordered[0].parent}: ranks 0 to {ranks - 1} hold {_listed(lengths)} prototypes; arcface_torch "
            "gives each rank the same number, or the first ones one more, so these are not the parts of one "
            "classifier"
        )
    of = f"{counted(ranks, 'rank')}, {ordered[0].name}" + (f" to {ordered[-1].name}" if ranks > 1 else "")
    said = f"prototypes of {of}; how many ranks there were, no file says: compare the number of people"
    return torch.cat(rows), said


def _listed(lengths: list[int], most: int = 8) -> str:
    return ", ".join(f"{length:,}" for length in lengths[:most]) + (", ..." if len(lengths) > most else "")


def _part(file: Path) -> tuple[str, int] | None:
    """Kind and rank by a file's name; None for any other file."""
    for kind, pattern in _KINDS.items():
        if match := pattern.fullmatch(file.name):
            return kind, int(match[1])
    return None


def _named(file: Path) -> tuple[str, int]:
    part = _part(file)
    assert part is not None, file
    return part
