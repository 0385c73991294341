"""Verification accuracy in training: cosine scores of given pairs, threshold from the other folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sphereface_plus.config import InputSpec, ValidationConfig
from sphereface_plus.data.crops import check_crops
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.pairs import PairsError, read_pairs
from sphereface_plus.embedding import Embedder, embed_files
from sphereface_plus.verification import cosine_scores, kfold_accuracy, ten_folds


class PairsValidation:
    """Accuracy on pairs of crops, without mirrored ones: a number to watch. `python -m eval` makes reports.

    Raises, when built, PairsError for pairs whose crops are not there, SpecError for crops of another
    template or size, and what reading the two files raises.
    """

    def __init__(self, config: ValidationConfig, spec: InputSpec, device: torch.device) -> None:
        pairs = read_pairs(Path(config.pairs))
        crops = FaceCrops.open(config.images)
        check_crops(crops.template, crops.size, spec)
        path_of = dict(zip(crops.keys, crops.paths, strict=True))
        missing = [key for key in pairs.photos if key not in path_of]
        if missing:
            raise PairsError(
                f"{config.pairs}: {len(missing)} of {len(pairs.photos)} photos have no crop in "
                f"{config.images}, the first is {missing[0]}; align them with a fallback, "
                "or take their pairs off the list"
            )
        row = {key: number for number, key in enumerate(pairs.photos)}
        self._first = [row[key] for key in pairs.first]
        self._second = [row[key] for key in pairs.second]
        self._genuine = pairs.genuine
        self._fold = pairs.fold if pairs.fold.any() else ten_folds(pairs.genuine)
        self._paths = [path_of[key] for key in pairs.photos]
        self._spec, self._device = spec, device

    def __call__(self, network: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Named scalars of a network: normalised crops (B, 3, H, W) -> embeddings (B, D)."""
        embedder = Embedder(
            "checkpoint", self._spec, "in training", network, self._device, "the network in training"
        )
        embeddings = embed_files(embedder, self._paths)
        scores = cosine_scores(embeddings[self._first], embeddings[self._second])
        result = kfold_accuracy(scores, self._genuine, self._fold)
        return {"validation/accuracy": result.mean, "validation/accuracy_std": result.std}
