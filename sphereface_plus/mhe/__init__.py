"""Minimum hyperspherical energy (MHE): energies of the directions of neurons. Imports torch and nothing else.

`hyperspherical_energy` is the energy of one layer's neurons; `classifier_energy` is SphereFace+'s mini-batch
form of it for the prototypes of a large classifier, `sampled_classifier_energy` its estimate from some of
them, `class_balanced_energy` the same form with each class counted alike, `caffe_surrogate` and
`opensphere_energy` what released code has in its place, `random_push` a placebo; `smallest_angle`,
`tangential` and `tangential_norm` are for logging.
`MHERegularizer` finds the layers of any model and regularises them, with the energy or another objective;
`neurons_of` reads one layer.
Other objectives of the same kind, `negative_separation`, `negative_log_gram`, `Polarization`, `Covering` and
the compressive energies, are compared in docs/mhe_family.md.
"""

from .class_balanced import class_balanced_energy as class_balanced_energy
from .class_balanced import class_weights as class_weights
from .classifier import classifier_energy as classifier_energy
from .compressive import AdversarialProjection as AdversarialProjection
from .compressive import AnglePreservingProjection as AnglePreservingProjection
from .compressive import RandomProjection as RandomProjection
from .covering import Covering as Covering
from .decoupled import DecoupledRegularizer as DecoupledRegularizer
from .energy import hyperspherical_energy as hyperspherical_energy
from .energy_term import EnergyTerm as EnergyTerm
from .geometry import smallest_angle as smallest_angle
from .geometry import tangential as tangential
from .geometry import tangential_norm as tangential_norm
from .gram import negative_log_gram as negative_log_gram
from .minibatch import minibatch_energy as minibatch_energy
from .neurons import neuron_groups_of as neuron_groups_of
from .neurons import neurons_of as neurons_of
from .objective import StatefulObjective as StatefulObjective
from .penalties import orthogonal_penalty as orthogonal_penalty
from .penalties import orthonormal_penalty as orthonormal_penalty
from .polarization import Polarization as Polarization
from .polarization import relaxed_polarization as relaxed_polarization
from .presets import preset as preset
from .random_push import random_push as random_push
from .regularizer import MHERegularizer as MHERegularizer
from .released import caffe_surrogate as caffe_surrogate
from .released import opensphere_energy as opensphere_energy
from .sampled import sampled_classifier_energy as sampled_classifier_energy
from .separation import negative_separation as negative_separation
