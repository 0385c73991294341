import sys

from sphereface_plus.training.console import LiveLine, PlainLines, open_console, summary

WATCHED = {
    "loss": "loss {:.3f}",
    "accuracy_without_margin": "accuracy {:.1%}",
    "images_per_second": "{:.0f} crops/s",
    "data_wait_share": "data wait {:.0%}",
    "test/accuracy": "test accuracy {:.2%}",
}
LINE = {"loss": 5.1234, "accuracy_without_margin": 0.25, "images_per_second": 63.4, "data_wait_share": 0.02}


def test_summary_shows_what_a_person_watches():
    assert summary(LINE | {"lambda": 5.0}, WATCHED) == "loss 5.123  accuracy 25.0%  63 crops/s  data wait 2%"


def test_plain_lines_come_at_most_every_ten_seconds_and_say_the_time_left(capsys):
    console = PlainLines(first_step=0, last_step=100, watched=WATCHED)
    console.step(1)
    console.show(0, LINE)
    console.show(10, LINE)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("step 0/100  loss 5.123  accuracy 25.0%  63 crops/s  data wait 2%  left 0:0")


def test_every_validation_is_shown(capsys):
    console = PlainLines(first_step=0, last_step=100, watched=WATCHED)
    for step in (0, 50):
        console.show(step, {"test/accuracy": 0.875})
    assert capsys.readouterr().err.splitlines() == [
        "step 0/100  test accuracy 87.50%",
        "step 50/100  test accuracy 87.50%",
    ]


def test_a_line_without_a_number_to_watch_is_not_shown_and_keeps_no_other_back(capsys):
    console = PlainLines(first_step=0, last_step=100, watched=WATCHED)
    console.show(0, {"test/accuracy_of_0": 0.5})
    console.show(0, {"energy/a": 0.5, "images_per_second": 63.4})
    assert len(capsys.readouterr().err.splitlines()) == 1
    console = PlainLines(first_step=0, last_step=100, watched={"loss": "loss {:.3f}"})
    console.show(0, {"images_per_second": 63.4})
    console.show(10, LINE)
    assert capsys.readouterr().err.startswith("step 10/100  loss 5.123  left ")


def test_a_terminal_gets_the_live_line_and_a_file_plain_lines(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert isinstance(open_console(first_step=0, last_step=1, watched=WATCHED), PlainLines)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    live = open_console(first_step=0, last_step=1, watched=WATCHED)
    live.close()
    assert isinstance(live, LiveLine)


def test_live_line_carries_numbers_progress_and_time_left(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich draws as on a terminal
    console = LiveLine(first_step=0, last_step=4, watched=WATCHED)
    console.step(2)
    console.show(1, LINE)
    console.say("a sentence [in brackets]")
    console.close()
    drawn = capsys.readouterr().err
    assert "2/4" in drawn
    assert "loss 5.123  accuracy 25.0%  63 crops/s  data wait 2%" in drawn
    assert "left" in drawn
    assert "a sentence [in brackets]" in drawn
