"""Scores that stand in the place of features that are not kept."""

from functools import partial

import numpy as np
import pytest
import torch

from eval.gan.extractors import Extractor
from eval.gan.scored import scored, scored_once
from eval.gan.sources import Source, features_of, files_of


def network(images):
    """Four features and three classes of images of 2 x 2 pixels."""
    values = images.flatten(1).float()
    return values[:, :4], values[:, 4:7] / 255


EXTRACTOR = Extractor("tiny", "classifier", "a", "none", network, torch.device("cpu"), "any", lambda _: True)


def source(seed, count=40):
    images = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3), np.uint8))
    return Source(f"images {seed}", f"key {seed}", count, lambda _, number: images[:number])


def test_scores_take_the_place_of_features_and_are_read_again(tmp_path):
    made, other, reference = source(0), source(1), source(2)
    read = {
        it.name: partial(features_of, it, EXTRACTOR, tmp_path, 10, lambda *_: None) for it in (made, other)
    }
    real = features_of(reference, EXTRACTOR, tmp_path, 10, lambda *_: None)
    read[other.name]()
    expected = scored(read[made.name], real, 10)
    once = partial(
        scored_once, splits=10, source=made, reference=reference, extractor=EXTRACTOR, store=tmp_path
    )
    for of_made in (read[made.name], pytest.fail):  # the second time no features are asked for
        scores, first = once(of_made, real)
        assert scores == expected[0]
        assert np.array_equal(first, expected[1])
        assert files_of(made, EXTRACTOR, tmp_path) == []
    assert len(files_of(other, EXTRACTOR, tmp_path)) == len(files_of(reference, EXTRACTOR, tmp_path)) == 1
    (kept,) = tmp_path.glob("scores_*.json")
    kept.write_text("{")  # damaged: measured anew
    assert once(read[made.name], real)[0] == expected[0]
    assert once(read[made.name], real, splits=5)[0]["class_score"]["splits"] == 5
