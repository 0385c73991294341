"""Minimum hyperspherical energy (MHE): energies of the directions of neurons. Imports torch and nothing else.

`hyperspherical_energy` is the energy of one layer's neurons; `classifier_energy` is SphereFace+'s mini-batch
form of it for the prototypes of a large classifier; `smallest_angle` and `tangential` are for logging.
"""

from .classifier import classifier_energy as classifier_energy
from .energy import hyperspherical_energy as hyperspherical_energy
from .geometry import smallest_angle as smallest_angle
from .geometry import tangential as tangential
