"""Rate and time left, on a terminal and in a log."""

from __future__ import annotations

import itertools

import pytest

from sphereface_plus.commands import progress as module
from sphereface_plus.commands.progress import show_progress


@pytest.fixture
def clock(monkeypatch):
    """Six seconds pass between two calls."""
    times = itertools.count(0, 6)
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(times)))


def test_a_log_gets_a_line_now_and_then(clock, capsys):
    with show_progress("photos", "without a crop") as progress:
        progress(100, 10_000, 0)  # done before: no work of this run
        for done in (160, 220, 280, 340):
            progress(done, 10_000, done // 100)
    assert capsys.readouterr().err.splitlines() == [
        "280 of 10,000 photos, 10.0 a second, 16:12 left, 2 without a crop",
    ]


def test_a_terminal_gets_a_live_line(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with show_progress("photos") as progress:
        progress(0, 100, 0)
        progress(20, 100, 0)  # all that was loaded before it is not a measure
        progress(70, 100, 0)
    shown = capsys.readouterr().err
    assert " 70/100" in shown
    assert "8.3 a second, 0:04 left" in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3600, "1:00:00"), (90_061, "25:01:01")]
)
def test_durations_are_written_as_clocks_do(seconds, text):
    assert module._duration(seconds) == text
