"""Other people's weights as weight files of ours: what `sphereface-plus convert` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sphereface_plus import checkpoint, weights
from sphereface_plus.files import text_of
from sphereface_plus.model_files import check_foreign
from sphereface_plus.pretrained import caffe, clcarwin, cosface, insightface, insightface_parts, opensphere
from sphereface_plus.pretrained.converted import Converted, checked_prototypes, first_convolution
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.fold import fold_input, plain_spec
from sphereface_plus.pretrained.torch_files import read_with_classifier
from sphereface_plus.weights import Origin, Weights, WeightsInfo
from sphereface_plus.words import counted

__all__ = ["FORMATS", "PretrainedError", "convert", "summary"]

FORMATS: dict[str, Callable[[Path], Converted]] = {
    "caffe": caffe.read,
    "clcarwin": clcarwin.read,
    "cosface": cosface.read,
    "opensphere": partial(opensphere.read, variant="sfnet"),
    "opensphere_deprecated": partial(opensphere.read, variant="sfnet_deprecated"),
    "insightface": insightface.read,
}


def convert(
    source: str | Path,
    out: str | Path,
    format: str,
    *,
    head: Sequence[str | Path] = (),
    identities: str | Path | None = None,
    license: str | None = None,
    fold: bool = False,
) -> Weights:
    """Writes the weight file `out` (.safetensors) of weights in a format of FORMATS, and reads it again.

    head: files with the classifier, where it has files of its own: their rows in this order. Those that the
        ranks of arcface_torch have saved, or a folder of them, are put into the order of the ranks, and
        beside a checkpoint_gpu_<r>.pt they are found without it (insightface_parts.py).
    identities: a list of the classifier's identities, one a line, in the order of its labels.
    license: terms of the weights.
    fold: fold channel order and pixel scale into the first convolution (fold.py).
    Raises PretrainedError, SpecError, CheckpointError.
    """
    source, out = Path(source), Path(out)
    if out.suffix != ".safetensors":
        raise PretrainedError(f"{out}: the name of a weight file ends in .safetensors")
    check_foreign(source)
    converted = _read(source, format)
    config, network, prototypes = converted.config, dict(converted.network), converted.prototypes
    remarks = list(converted.remarks)
    files = [Path(file) for file in head]
    if format == "insightface":
        files = insightface_parts.parts_among(files)
        if not files and prototypes is not None:
            files = insightface_parts.parts_beside(source)
    if files:
        if prototypes is not None and source.resolve() not in [file.resolve() for file in files]:
            raise PretrainedError(
                f"{source}: holds its classifier itself; drop --head, or name by it every part, this file too"
            )
        if format == "insightface" and insightface_parts.are_parts(files):
            joined, words = insightface_parts.merged(files, config.embedding_size)
            prototypes = checked_prototypes(files[0].parent, joined, config)
        else:
            parts = [_read_head(file, config.embedding_size) for file in files]
            parts = [checked_prototypes(file, part, config) for file, part in zip(files, parts, strict=True)]
            prototypes, words = torch.cat(parts), f"prototypes from {', '.join(file.name for file in files)}"
        remarks.append(words)
    if fold:
        spec = plain_spec(config.input)
        first = first_convolution(config)
        network[first] = fold_input(network[first], config.input, spec)
        remarks.append(f"folded into the first convolution: {config.input.color}, std {config.input.std}")
        config = config.model_copy(update={"input": spec})
    info = WeightsInfo(
        network=config,
        identities=_read_identities(identities, source, prototypes),
        origin=Origin(
            format=format,
            file=source.name,
            sha256=checkpoint.sha256(source),
            license=license,
            remarks=tuple(remarks),
        ),
        renamed=converted.renamed,
    )
    weights.save(out, info, network, prototypes)
    return weights.load(out)


def _read(source: Path, format: str) -> Converted:
    """The file in that format; a refusal names the formats of FORMATS that do read it."""
    try:
        return FORMATS[format](source)
    except PretrainedError as error:
        others = [other for other in FORMATS if other != format and _reads(other, source)]
        if not others:
            raise
        raise PretrainedError(f"{error}. It is read by --from {' or --from '.join(others)}") from None


def _reads(format: str, source: Path) -> bool:
    try:
        FORMATS[format](source)
    except PretrainedError:
        return False
    return True


def summary(model: Weights) -> str:
    """Lines about a converted model: what it is, and what was changed or left out."""
    config, origin = model.info.network, model.info.origin
    spec = config.input
    lines = [
        f"{model.file}: {config.name}, {config.embedding_size} dimensions, "
        f"{counted(len(model.network), 'tensor')}, for {spec.template} crops as {spec.color}"
    ]
    if "prototypes" in model.loss:
        named = "named" if model.info.identities else "without names"
        lines.append(f"{counted(len(model.loss['prototypes']), 'prototype')}, {named}")
    lines += origin.remarks
    if origin.license is None:
        lines.append("terms of the weights: not stated; --license keeps them with the weights")
    return "\n  ".join(lines)


def _read_head(path: Path, embedding_size: int) -> Tensor:
    """The classifier of a file as prototypes (C, D): the one that insightface keeps beside its network, or
    else the one matrix with embedding_size rows or columns."""
    tensors, classifier = read_with_classifier(path)
    if classifier is not None:
        return classifier
    if any(tensor.ndim == 4 for tensor in tensors.values()):
        raise PretrainedError(f"{path}: is a network, not a classifier; --head takes the classifier's file")
    found = [tensor for tensor in tensors.values() if tensor.ndim == 2 and embedding_size in tensor.shape]
    if len(found) != 1:
        raise PretrainedError(
            f"{path}: has {len(found)} matrices with {embedding_size} rows or columns, expected one; "
            f"it holds {', '.join(sorted(tensors)[:5])}"
        )
    rows, columns = found[0].shape
    if rows == columns:
        raise PretrainedError(
            f"{path}: the classifier is {rows} x {columns}, which of the two are the identities is not known"
        )
    return found[0] if columns == embedding_size else found[0].T.contiguous()


def _read_identities(
    path: str | Path | None, source: Path, prototypes: Tensor | None
) -> tuple[str, ...] | None:
    if path is None:
        return None
    if prototypes is None:
        raise PretrainedError(f"{source}: has no classifier that --identities could name; drop it")
    text = text_of(path, PretrainedError, "a list of identities, a text with a name a line")
    names = tuple(line.strip() for line in text.splitlines())
    if len(names) != len(prototypes) or len(set(names)) != len(names) or "" in names:
        raise PretrainedError(
            f"{path}: has {len(set(names) - {''})} different names, the classifier of {source} "
            f"{len(prototypes)} rows; it takes one name a line"
        )
    return names
