"""Painting in the head's frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data_prep.drawing.canvas import SIZE, Canvas, curve, depth, ellipse, mirrored, on_head
from data_prep.drawing.people import sample_person, sample_shot
from data_prep.drawing.photo import draw_photo
from sphereface_plus.data import streams

RED = np.array((255, 0, 0))


@pytest.fixture
def canvas() -> Canvas:
    """A black canvas with the head upright in its middle, 40 pixels a unit."""
    return Canvas(np.zeros((SIZE, SIZE, 3), np.uint8), np.eye(3), 40.0, (SIZE / 2, SIZE / 2))


def test_a_curve_goes_through_its_points_and_is_straight_where_they_are():
    points = np.array([(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (4.0, 4.0)])
    np.testing.assert_allclose(curve(points, steps=5)[::5], points, atol=1e-12)
    np.testing.assert_allclose(curve(points, closed=True, steps=5)[::5], points, atol=1e-12)
    line = curve([(0, 0), (1, 1), (2, 2), (3, 3)])
    np.testing.assert_allclose(line[:, 0], line[:, 1], atol=1e-12)


def test_a_mirrored_shape_is_its_own_mirror_image():
    shape = mirrored([(0, -1, 0.1), (1, 0, 0.2), (0.5, 0.5, 0.3), (0, 1, 0.4)])
    flipped = shape * (-1, 1, 1)
    assert {tuple(point) for point in np.round(shape, 9) + 0.0} == {
        tuple(p) for p in np.round(flipped, 9) + 0.0
    }


def test_the_head_is_nearest_in_its_middle_and_a_lift_raises_a_point():
    assert depth(0, 0) > depth(0.5, 0) > depth(0.9, 0) > 0
    np.testing.assert_allclose(on_head([(0.3, 0.2)], 0.1) - on_head([(0.3, 0.2)]), [(0, 0, 0.1)])


def test_a_turn_to_the_right_moves_what_is_near_to_the_right():
    angle = 0.3
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    canvas = Canvas(np.zeros((SIZE, SIZE, 3), np.uint8), turn, 40.0, (100.0, 90.0))
    near, far = canvas.project([(0, 0, 1), (0, 0, -1)])
    assert near[0] > 100 > far[0]
    np.testing.assert_allclose(canvas.project([(0, 0, 0)]), [(100, 90)])


def test_a_filled_shape_covers_its_area_and_joins_the_relief_only_if_it_is_the_heads(canvas):
    flat = np.column_stack([ellipse(0, 0, 1, 0.5, corners=60), np.zeros(60)])
    canvas.fill(flat, RED)
    area = np.pi * 40 * 20
    assert abs(canvas.pixels[..., 0].sum() / 255 - area) < 0.04 * area
    assert canvas.pixels[..., 1:].sum() == 0
    assert canvas.head.sum() == 0
    canvas.fill(flat, RED, head=True)
    assert abs(canvas.head.sum() / 255 - area) < 0.06 * area  # OpenCV's soft border is generous


def test_opacity_mixes_with_what_was_there(canvas):
    canvas.fill([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], RED, 0.25)
    assert abs(canvas.pixels[SIZE // 2, SIZE // 2, 0] - 64) <= 1
    canvas.line([(-1, 0.5, 0), (1, 0.5, 0)], RED, 0.2, 0.5)
    assert abs(canvas.pixels[SIZE // 2 + 20, SIZE // 2, 0] - (64 + 255) / 2) <= 2


def test_what_lies_outside_of_the_photo_is_no_error(canvas):
    before = canvas.pixels.copy()
    far = np.array([(50.0, 50.0, 0.0), (51.0, 50.0, 0.0), (51.0, 51.0, 0.0)])
    canvas.fill(far, RED, 0.5)
    canvas.line(far, RED, 0.1, 0.5)
    with canvas.only_inside(far):
        canvas.fill(far, RED)
    np.testing.assert_array_equal(canvas.pixels, before)


def test_painting_only_inside_of_a_shape_leaves_the_rest(canvas):
    window = [(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)]
    with canvas.only_inside(window):
        canvas.fill(np.array(window) * (3, 0.5, 1), RED)
    middle, column = canvas.pixels[SIZE // 2, :, 0], canvas.pixels[:, SIZE // 2, 0]
    assert abs((middle > 127).sum() - 40) <= 1
    assert abs((column > 127).sum() - 20) <= 1


def test_a_photo_is_a_pure_function_of_person_and_shot():
    person = sample_person(np.random.default_rng(3))
    shot = sample_shot(np.random.default_rng(4), person)
    photo = draw_photo(person, shot)
    assert photo.shape == (SIZE, SIZE, 3)
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(draw_photo(person, shot), photo)


def test_light_from_the_left_brightens_the_left_cheek():
    person = dataclasses.replace(sample_person(np.random.default_rng(3)), beard=0.0, moles=np.zeros((0, 2)))
    shot = sample_shot(np.random.default_rng(4), person)
    still = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "centre": (96.0, 96.0), "scale": 42.0, "noise": 0.0}
    sides = {}
    for name, x in (("left", -0.8), ("right", 0.8)):
        lit = dataclasses.replace(shot, light=np.array([x, 0.0, 0.6]), ambient=0.3, **still)
        photo = draw_photo(person, lit).astype(float)
        cheek = slice(96 + 15, 96 + 25)
        sides[name] = photo[cheek, 96 - 28 : 96 - 18].mean() - photo[cheek, 96 + 18 : 96 + 28].mean()
    assert sides["left"] > 20
    assert sides["right"] < -20


def test_every_person_of_many_can_be_drawn_in_every_shot():
    for seed in range(40):  # all branches: bald, curls, beards, glasses, caps, freckles, open mouths
        random = np.random.default_rng(seed)
        person = sample_person(random)
        shot = dataclasses.replace(sample_shot(random, person), cap=seed % 2 == 0, glasses=seed % 3 == 0)
        assert draw_photo(person, shot).std() > 5


def test_curls_of_a_hairline_above_the_crown_are_drawn():
    """Person 50,507 of the distractors of seed 0: the first of 50,508 whose curls had no place."""
    person = sample_person(streams.generator(0, streams.DRAWN_DISTRACTORS, 50_507))
    shot = sample_shot(streams.generator(0, streams.DRAWN_DISTRACTORS, 50_507, 1), person)
    assert person.curls
    assert draw_photo(person, shot).std() > 5
