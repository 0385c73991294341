"""One is one, and more are more."""

import pytest

from sphereface_plus.words import a_kind, counted


@pytest.mark.parametrize(
    ("number", "thing", "words"),
    [
        (0, "photo", "0 photos"),
        (1, "photo", "1 photo"),
        (1200, "photo", "1,200 photos"),
        (1, "identity", "1 identity"),
        (2, "identity", "2 identities"),
        (2, "bias", "2 biases"),
        (2, "person", "2 people"),
        (3, "class", "3 classes"),
        (1, "crop to drop", "1 crop to drop"),
        (2, "crop to drop", "2 crops to drop"),
    ],
)
def test_what_is_counted_is_one_or_many(number, thing, words):
    assert counted(number, thing) == words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a", "a text"),
        ([1], "a list"),
        ({}, "a group"),
        (1.5, "a number"),
        (True, "a yes or no"),
        (None, "nothing"),
        (b"a", "a bytes"),
    ],
)
def test_what_a_value_is_has_a_word_that_is_not_pythons(value, said):
    assert a_kind(value) == said
