"""No normalisation."""

from sphereface_plus.networks.normalisations.normalisation import Normalisation

none = Normalisation()
