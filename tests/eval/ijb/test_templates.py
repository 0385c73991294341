"""Templates against literal loops over templates, media and faces, with each weight."""

import numpy as np
import pytest

from eval.ijb import templates
from eval.ijb.templates import averaged
from sphereface_plus.data.formats.ijb import Faces, IjbError


@pytest.fixture
def faces(tmp_path):
    """Fifty faces of six templates; two templates use the same numbers of media for different ones."""
    rng = np.random.default_rng(0)
    template = rng.choice([3, 5, 8, 40, 41, 187955], 50)
    names = [f"{number}.jpg" for number in range(1, 51)]
    return Faces(tmp_path / "f.txt", names, template, rng.integers(1, 4, 50))


@pytest.fixture
def embeddings():
    return np.random.default_rng(1).standard_normal((50, 7)).astype(np.float32)


def literal(embeddings, faces, kind, scores, keep_length):
    """One template after the other, its media one after the other."""
    rows = []
    for template in sorted(set(faces.template.tolist())):
        total = np.zeros(7)
        own = [i for i in range(50) if faces.template[i] == template]
        groups = [[i] for i in own]
        if kind == "media":
            media = sorted({int(faces.media[i]) for i in own})
            groups = [[i for i in own if faces.media[i] == one] for one in media]
        for group in groups:
            mean = np.zeros(7)
            for i in group:
                x = embeddings[i].astype(np.float64)
                mean += (1 if scores is None else scores[i]) * (x if keep_length else x / np.linalg.norm(x))
            total += mean / len(group)
        rows.append(total / np.linalg.norm(total))
    return np.array(rows)


@pytest.mark.parametrize("kind", ["media", "faces"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("keep_length", [False, True])
@pytest.mark.parametrize("at_once", [1, 20, 1000])
def test_a_template_is_that_of_literal_loops(
    embeddings, faces, kind, weighted, keep_length, at_once, monkeypatch
):
    monkeypatch.setattr(templates, "FACES_AT_ONCE", at_once)
    scores = np.random.default_rng(2).uniform(0, 1, 50) if weighted else None
    seen = []
    numbers, units = averaged(
        embeddings, faces, kind, scores, keep_length=keep_length, progress=lambda *done: seen.append(done)
    )
    assert numbers.tolist() == [3, 5, 8, 40, 41, 187955]
    assert units.dtype == np.float32
    expected = literal(embeddings, faces, kind, scores, keep_length)
    np.testing.assert_allclose(units, expected, atol=1e-7)
    assert seen[-1] == (50, 50)
    assert len(seen) == {1: 6, 1000: 1}.get(at_once, len(seen))


def test_a_video_of_many_frames_counts_as_one_photo_where_media_are_averaged_first(tmp_path):
    photo, frame = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    embeddings = np.stack([photo, *[frame] * 99]).astype(np.float16)
    faces = Faces(tmp_path / "f.txt", ["f.jpg"] * 100, np.ones(100, int), np.array([7] + [8] * 99))
    np.testing.assert_allclose(averaged(embeddings, faces, "media")[1], [[0.5**0.5, 0.5**0.5]])
    np.testing.assert_allclose(averaged(embeddings, faces, "faces")[1], [[0.0101, 0.99995]], atol=1e-5)


def test_embeddings_that_are_not_finite_are_counted_and_named(embeddings, faces, monkeypatch):
    monkeypatch.setattr(templates, "FACES_AT_ONCE", 10)
    embeddings[[4, 49, 17, 30], 2] = [np.nan, np.inf, -np.inf, np.nan]
    embeddings[9] = 0
    with pytest.raises(IjbError, match="5 of the 50 embeddings are not finite, or 0") as refused:
        averaged(embeddings, faces, "media")
    assert "5.jpg in row 4, 10.jpg in row 9, 18.jpg in row 17, ..." in str(refused.value)


def test_a_template_without_a_direction_is_named(embeddings, faces):
    own = np.flatnonzero(faces.template == 8)
    scores = np.ones(50)
    scores[own] = 0
    with pytest.raises(IjbError, match="the faces of template 8 cancel out, or all have weight 0"):
        averaged(embeddings, faces, "faces", scores)
