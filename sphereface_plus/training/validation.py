"""Verification accuracy in training: cosine scores of given pairs, threshold from the other folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from sphereface_plus.config import InputSpec, ValidationConfig
from sphereface_plus.data.crops import check_crops, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.bins import read_bin
from sphereface_plus.data.formats.embeddings import EmbeddingsError
from sphereface_plus.data.formats.packs import CropSource, PackedCrop
from sphereface_plus.data.formats.pairs import Pairs, PairsError, read_pairs
from sphereface_plus.data.trained_on import person_of, same_name
from sphereface_plus.embedding import Embedder, embed_files
from sphereface_plus.kfold import FoldsError, cosine_scores, folds_of, kfold_accuracy
from sphereface_plus.training.failures import BrokenModelError
from sphereface_plus.words import counted


class PairsValidation:
    """Accuracy on pairs of crops, without mirrored ones: a number to watch. `python -m eval` makes reports.

    Raises, when built, PairsError for pairs whose crops are not there, SpecError for crops of another
    template or size, and what reading the files raises.
    """

    def __init__(self, config: ValidationConfig, spec: InputSpec, device: torch.device) -> None:
        pairs, path_of = _of_bin(config.pairs, spec) if config.images is None else _of_list(config, spec)
        row = {key: number for number, key in enumerate(pairs.photos)}
        self._first = [row[key] for key in pairs.first]
        self._second = [row[key] for key in pairs.second]
        self._genuine = pairs.genuine
        try:
            self._fold = folds_of(pairs.genuine, pairs.fold)
        except FoldsError as error:
            raise PairsError(f"{config.pairs}: {error}") from None
        self._paths = [path_of[key] for key in pairs.photos]
        self._spec, self._device = spec, device
        self.people = {person for key in pairs.photos if (person := person_of(key))}

    def __call__(self, network: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Named scalars of a network: normalised crops (B, 3, H, W) -> embeddings (B, D).

        Raises BrokenModelError for embeddings that are not finite.
        """
        embedder = Embedder(
            "checkpoint", self._spec, "in training", network, self._device, "the network in training"
        )
        try:
            embeddings = embed_files(embedder, self._paths)
        except EmbeddingsError as error:
            raise BrokenModelError(str(error)) from None
        scores = cosine_scores(embeddings[self._first], embeddings[self._second])
        result = kfold_accuracy(scores, self._genuine, self._fold)
        return {"validation/accuracy": result.mean, "validation/accuracy_std": result.std}


def trained_on(people: set[str], identities: Sequence[str]) -> list[str]:
    """A note where the pairs to validate on are of people who are trained on, by their names."""
    names = {same_name(name) for name in identities}
    common = [person for person in people if same_name(person) in names]
    common = [person for person in common if not person.isdecimal()]  # a number means nothing in another set
    if not common:
        return []
    return [
        f"{len(common):,} of {counted(len(people), 'person')} in validation.pairs are "
        "trained on, by their names: the validation accuracy is not a test; data.exclude leaves people out"
    ]


def _of_list(config: ValidationConfig, spec: InputSpec) -> tuple[Pairs, Mapping[str, CropSource]]:
    """The pairs of a list, and the crops of the folder that go with it, by photo key."""
    assert config.images is not None
    pairs, crops = read_pairs(config.pairs), FaceCrops.open(config.images)
    check_crops(crops.template, crops.size, spec)
    path_of = dict(zip(crops.keys, crops.paths, strict=True))
    missing = [key for key in pairs.photos if key not in path_of]
    if missing:
        raise PairsError(
            f"{config.pairs}: {len(missing)} of {len(pairs.photos)} photos have no crop in "
            f"{config.images}, the first is {missing[0]}; align them with a fallback, "
            "or take their pairs off the list"
        )
    return pairs, path_of


def _of_bin(path: str, spec: InputSpec) -> tuple[Pairs, Mapping[str, CropSource]]:
    """The pairs of a .bin, and its crops by photo key."""
    found = read_bin(path)
    check_crops(None, read_crop(PackedCrop(found, 0)).shape[:2], spec, origin=path)
    return found.pairs, found.crops
