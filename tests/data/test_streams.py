"""The random streams: apart where they serve together, and the numbers that they always were."""

import re

import numpy as np
import pytest

from sphereface_plus.data import streams
from tests.our_imports import OURS

# name, place, the first three numbers below a million of seed 7. Written down when NumPy was called by ids.
KNOWN = [
    ("EPOCH_ORDER", (3,), [414178, 776577, 458017]),
    ("CROP_AUGMENTATION", (3,), [594961, 516785, 214468]),
    ("IDENTITY_ORDER", (3,), [298365, 899626, 711622]),
    ("CROPS_OF_IDENTITY", (5, 3), [397889, 79976, 640899]),
    ("SAMPLED_CLASSES", (3,), [936374, 71661, 544553]),
    ("IMAGE_AUGMENTATION", (), [281321, 277970, 152857]),
    ("CHOICE_OF_IMAGES", (3,), [23875, 691619, 461058]),
    ("PHOTOGRAPH_AUGMENTATION", (3,), [939397, 92194, 84714]),
    ("GENERATOR_NOISE", (3, 1), [721459, 70793, 823407]),
    ("PENALTY_SHARES", (3,), [699561, 315491, 932542]),
    ("SAMPLE_NOISE", (), [898966, 715608, 703589]),
    ("STATISTICS_NOISE", (3,), [558596, 116535, 570153]),
    ("MEASURED_NOISE", (3,), [178697, 542513, 652261]),
    ("REFERENCE_ORDER", (), [879125, 650355, 329217]),
    ("DRAWN_TRAINING", (3,), [414178, 776577, 458017]),
    ("DRAWN_TRAINING", (3, 1), [636466, 788288, 837648]),
    ("DRAWN_TEST", (3,), [594961, 516785, 214468]),
    ("DRAWN_TEST", (3, 1), [656595, 534822, 672152]),
    ("DRAWN_PAIRS", (), [281321, 277970, 152857]),
    ("DRAWN_DISTRACTORS", (3,), [23875, 691619, 461058]),
    ("DISTRACTOR_ORDER", (3,), [640170, 422555, 498650]),
    ("RESAMPLED_PAIRS", (), [944904, 625095, 684179]),
    ("COMPARED_CROPS", (), [944904, 625095, 684179]),
    ("VERIFIED_PEOPLE", (), [944904, 625095, 684179]),
    ("PAIRED_PHOTOS", (3,), [594961, 516785, 214468]),
]
TOGETHER = {
    "a training on faces": [
        "EPOCH_ORDER",
        "CROP_AUGMENTATION",
        "IDENTITY_ORDER",
        "CROPS_OF_IDENTITY",
        "SAMPLED_CLASSES",
    ],
    "a training on images": [
        "EPOCH_ORDER",
        "IMAGE_AUGMENTATION",
        "CHOICE_OF_IMAGES",
        "PHOTOGRAPH_AUGMENTATION",
    ],
    "a training of a generator": [
        "EPOCH_ORDER",
        "IMAGE_AUGMENTATION",
        "GENERATOR_NOISE",
        "PENALTY_SHARES",
        "SAMPLE_NOISE",
        "STATISTICS_NOISE",
    ],
    "a measurement of a generator": ["SAMPLE_NOISE", "MEASURED_NOISE", "REFERENCE_ORDER"],
    "a drawn set": ["DRAWN_TRAINING", "DRAWN_TEST", "DRAWN_PAIRS", "DRAWN_DISTRACTORS"],
    "a measurement": ["DISTRACTOR_ORDER", "RESAMPLED_PAIRS"],
    "the doctor": ["COMPARED_CROPS"],
    "a pairs list of one's own photos": ["VERIFIED_PEOPLE", "PAIRED_PHOTOS"],
}


@pytest.mark.parametrize("names", TOGETHER.values(), ids=TOGETHER)
def test_streams_that_serve_together_have_ids_of_their_own(names):
    ids = [getattr(streams, name) for name in names]
    assert len(set(ids)) == len(ids)


def test_every_stream_is_looked_at_here():
    names = {name for name in vars(streams) if name.isupper()}
    assert names == {name for together in TOGETHER.values() for name in together}
    assert names == {name for name, _, _ in KNOWN}


@pytest.mark.parametrize(("name", "place", "numbers"), KNOWN)
def test_each_stream_begins_as_it_always_did(name, place, numbers):
    stream = getattr(streams, name)
    assert streams.generator(7, stream, *place).integers(0, 10**6, 3).tolist() == numbers
    again = np.random.Generator(np.random.PCG64(streams.key(7, stream, *place)))
    assert again.integers(0, 10**6, 3).tolist() == numbers


def test_numbers_are_drawn_from_streams_alone(repository):
    """Except for what a drawn person or photo does with its own seed, the counters of data/images.py, and the
    energies, which import nothing of data/ and draw by keys of their own."""
    allowed = ["data_prep/drawing/hair.py", "data_prep/drawing/photo.py"]
    allowed += ["sphereface_plus/data/images.py", "sphereface_plus/data/streams.py"]
    starts = re.compile(r"\b(default_rng|SeedSequence|RandomState|PCG64|Philox)\(|\bimport random\b")
    found = [
        str(path.relative_to(repository))
        for folder in OURS
        for path in (repository / folder).rglob("*.py")
        if starts.search(path.read_text(encoding="utf-8"))
    ]
    assert [name for name in sorted(found) if not name.startswith("sphereface_plus/mhe/")] == allowed


def test_the_seed_alone_is_the_id_0_without_a_place():
    """Why streams that drew from default_rng(seed) before they had a name are numbered 0."""
    for seed in (0, 7, 2**32, 2**70):
        expected = np.random.default_rng(seed).integers(0, 10**6, 3)
        assert streams.generator(seed, 0).integers(0, 10**6, 3).tolist() == expected.tolist()


def test_a_place_of_zero_is_no_place_to_numpy():
    """The trap that the module's docstring names: an id apart is needed, a place more is not enough."""
    without, with_zero = streams.generator(7, 2), streams.generator(7, 2, 0)
    assert without.integers(0, 10**6, 3).tolist() == with_zero.integers(0, 10**6, 3).tolist()
