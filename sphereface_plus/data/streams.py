"""The random streams of data: each has an id here, and its numbers follow from a seed, the id and a place.

A place is where in the stream one stands: an epoch, a position, a label. NumPy pads a short key with zeros:
(seed, 2) and (seed, 2, 0) give the same numbers. Streams that serve together therefore differ in their ids,
not in their number of places.

The ids 2 and 3 are given twice, to faces and to images, which no run trains on together. A drawn set repeats
the ids of a training. Person 5 of a set drawn with seed 0 comes from the same numbers as the order of epoch 5
of a training with seed 0. One draws looks from them and the other a permutation; the ids stay as they are,
so that sets and trainings stay what they were. A pairs list repeats them, too. The id 0 without a place gives
the numbers of the seed alone: streams that drew them before they had a name keep them so.

A drawn person, and a photo, has a seed that was drawn from its stream (data_prep/drawing/people.py). Initial
weights come from torch's own generator, and the energies draw by keys of their own (mhe/objective.py,
mhe/minibatch.py).
"""

from __future__ import annotations

import numpy as np

EPOCH_ORDER = 0
"""The order of an epoch's images, faces or others. Place: epoch (batches.py)."""

# A training on faces
CROP_AUGMENTATION = 1
"""Place: position in the stream of crops (crop_dataset.py)."""
IDENTITY_ORDER = 2
"""The order of identities, where batches hold several crops of each. Place: epoch (batches.py)."""
CROPS_OF_IDENTITY = 3
"""The order of an identity's crops there. Place: identity, times that all were shown (batches.py)."""
SAMPLED_CLASSES = 12
"""Which prototypes a step sees, where it does not see all. Place: step (losses/sampled_head.py)."""

# A training on images
IMAGE_AUGMENTATION = 2
"""No place: the position is the counter of Philox (images.py)."""
CHOICE_OF_IMAGES = 3
"""Which images of a class are kept or held out, by data.split_seed. Place: class (selection.py)."""
PHOTOGRAPH_AUGMENTATION = 4
"""Place: position in the stream of photographs (imagenet.py)."""

# A training of a generator (noise.py), which also has the order and augmentation of images
GENERATOR_NOISE = 6
"""What a batch of images is made of. Place: step, and whose update it is for."""
PENALTY_SHARES = 7
"""Where between real and generated images a gradient penalty looks. Place: step."""
SAMPLE_NOISE = 8
"""What the samples of a run are made of. No place."""
STATISTICS_NOISE = 11
"""By which a generator's average takes its running statistics. Place: batch."""

# A drawn set (data_prep/drawn.py)
DRAWN_TRAINING = 0
"""Looks of the people to train on, and their photos. Place: person, or person and photo + 1."""
DRAWN_TEST = 1
"""Those of the people to test on. Place: the same."""
DRAWN_PAIRS = 2
"""The test's pairs. No place."""
DRAWN_DISTRACTORS = 3
"""Looks of the people to search among, and their photo. Place: likewise."""

# A measurement (eval)
DISTRACTOR_ORDER = 5
"""The order of a set of distractors. Place: set (eval/megaface/challenge.py), or number of the order
(eval/identify/numbers.py)."""
MEASURED_NOISE = 9
"""What the measured images of a generator are made of. Place: block (noise.py)."""
REFERENCE_ORDER = 10
"""The order of the real images that they are compared with. No place (eval/gan/sources.py)."""
RESAMPLED_PAIRS = 0
"""Pairs of the bootstrap of a difference. No place (eval/intervals.py)."""

# The doctor's look at a set (data_prep/doctor/identities.py)
COMPARED_CROPS = 0
"""Strangers, and halves of identities, whose cosines say how alike people are. No place."""

# A pairs list of somebody's own photos (data_prep/pair_choice.py)
VERIFIED_PEOPLE = 0
"""Who is verified, and in which fold. No place."""
PAIRED_PHOTOS = 1
"""In which order their photos are paired. Place: fold."""


def key(seed: int, stream: int, *place: int) -> np.random.SeedSequence:
    """What NumPy's generators start from at this place of a stream."""
    return np.random.SeedSequence((seed, stream, *place))


def generator(seed: int, stream: int, *place: int) -> np.random.Generator:
    """The numbers at this place of a stream."""
    return np.random.default_rng(key(seed, stream, *place))
