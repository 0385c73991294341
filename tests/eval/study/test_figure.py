"""The picture of a study shows the numbers of its table."""

import re
import statistics
from xml.etree import ElementTree

import pytest

from eval.study.comparisons import of_arms
from eval.study.figure import write_figure
from tests.eval.study.known import STUDY

SVG = "{http://www.w3.org/2000/svg}"


def test_each_arm_has_a_line_in_each_measure_and_is_named_once(kept):
    path = write_figure(STUDY, kept)
    assert path == kept.out / "differences.svg"
    drawn = ElementTree.parse(path).getroot()
    words = [text.text for text in drawn.iter(f"{SVG}text")]
    for name in ("better", "same", "beside,", "minus same", "95 % by person", "95 % by seed"):
        assert words.count(name) == 1, name
    assert {"rank-1: arm minus control, points", "accuracy of the pairs: arm minus control, points"} <= {
        *words
    }
    assert "A study: each arm minus the control" in drawn.get("aria-label")
    assert next(iter(drawn)).get("fill") == "white"  # before all else


def test_a_line_reaches_from_end_to_end_of_its_interval(kept):
    """By the scale of the axis: two intervals' ends against the places of two of its ticks."""
    svg = write_figure(STUDY, kept).read_text()
    better = of_arms(STUDY, kept, "rank_1")[0]
    ends = []
    for color, interval in (("#d1662b", better.people), ("#1f5f8b", better.seeds)):
        first = re.search(rf'd="M ([\d.]+) [\d.]+ \s*L ([\d.]+) [\d.]+ [^<]*?stroke: {color}', svg)
        ends += zip(map(float, first.groups()), (interval.low, interval.high), strict=True)
    (x0, low), (x1, high), *others = ends
    for x, value in others:
        assert value == pytest.approx(low + (x - x0) * (high - low) / (x1 - x0), abs=1e-3)
    assert statistics.mean(better.differences) > low


def test_it_is_the_same_text_again(kept):
    assert write_figure(STUDY, kept).read_bytes() == write_figure(STUDY, kept).read_bytes()


def test_with_one_seed_nothing_is_drawn(kept):
    kept.rows = kept.rows[:4]
    assert write_figure(STUDY, kept) is None
    assert not list(kept.out.glob("*.svg"))
