"""Normalisations of a generator or discriminator by the names that a recipe gives them, one file each."""

from sphereface_plus.networks.normalisations.batch import BatchNorm, batch
from sphereface_plus.networks.normalisations.layer import layer
from sphereface_plus.networks.normalisations.none import none
from sphereface_plus.networks.normalisations.normalisation import ChannelBias, Layer, Normalisation
from sphereface_plus.networks.normalisations.spectral import spectral
from sphereface_plus.networks.normalisations.weight import weight

__all__ = ["NORMALISATIONS", "BatchNorm", "ChannelBias", "Layer", "Normalisation"]

NORMALISATIONS: dict[str, Normalisation] = {
    "none": none,
    "batch": batch,
    "layer": layer,
    "weight": weight,
    "spectral": spectral,
}
