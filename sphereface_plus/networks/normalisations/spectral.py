"""Spectral normalisation (arXiv:1802.05957; Eq. (21) of arXiv:1805.09298): weights over their largest
singular value, which one power iteration an update follows. A convolution's matrix is (filters, all else)."""

from __future__ import annotations

from torch.nn.utils.parametrizations import spectral_norm

from sphereface_plus.networks.normalisations.normalisation import Layer, Normalisation


def _of_weights(layer: Layer) -> object:
    return spectral_norm(layer, eps=1e-12)


spectral = Normalisation(of_weights=_of_weights)
