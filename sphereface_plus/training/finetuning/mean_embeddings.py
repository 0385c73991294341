"""Prototypes for new identities from the start's own embeddings of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import normalise, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.mhe.repeatable import add_rows
from sphereface_plus.training.finetuning.start import StartError

BATCH = 64


def start_prototypes(network: nn.Module, loss: nn.Module, crops: FaceCrops, spec: InputSpec) -> None:
    """Makes the loss's prototypes (C, D) the mean embeddings. Raises StartError for a loss that has none."""
    prototypes = loss.state_dict().get("prototypes")
    if prototypes is None:
        raise StartError("finetune.prototypes has no effect: this recipe's loss has no prototypes")
    prototypes.copy_(mean_embeddings(network, crops, spec))


@torch.no_grad()
def mean_embeddings(network: nn.Module, crops: FaceCrops, spec: InputSpec) -> Tensor:
    """Unit prototypes (C, D): each identity's mean unit embedding, of all its crops as they are.

    Unit embeddings, so that no crop counts for its length. Raises CropsError for a crop that cannot be read.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    sums: Tensor | None = None
    for start in range(0, len(crops.paths), BATCH):
        images = torch.stack([torch.from_numpy(read_crop(p)) for p in crops.paths[start : start + BATCH]])
        embeddings = F.normalize(network(normalise(images.to(device), spec)).float())  # (B, D)
        labels = torch.tensor(crops.labels[start : start + BATCH], device=device)
        if sums is None:
            sums = embeddings.new_zeros(len(crops.identities), embeddings.shape[1])
        add_rows(sums, labels, embeddings)
    network.train(training)
    assert sums is not None  # a training set has two identities
    return F.normalize(sums)
