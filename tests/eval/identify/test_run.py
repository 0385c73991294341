"""`python -m eval identify`: planted answers, the rules, and messages."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sphereface_plus.data.formats.embeddings import write_embeddings
from tests.eval.identify.directions import read, unit


@pytest.fixture
def planted(store):
    """Three people; Ann's second probe looks like Ben, Cat's like a distractor; two unknown people."""
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1), "Cat/1": unit(2)})
    probes = store(
        "probes",
        {
            "Ann/2": unit(0, 9, 0.1),
            "Ann/3": unit(1, 0, 0.4),
            "Ben/2": unit(1, 9, 0.2),
            "Cat/2": unit(2, 7, 0.55),
            "Dan/1": unit(9, 0, 0.3),
            "Eve/1": unit(9, 1, 0.1),
        },
    )
    distractors = store("others", {f"p{number}/1": unit(number) for number in range(5, 9)})
    return "--gallery", gallery, "--probes", probes, "--distractors", distractors


def cosine(first, second) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_planted_ranks_scores_and_thresholds_come_out(planted, run_eval, tmp_path):
    run_eval("identify", *planted, "--out", tmp_path / "out")
    report = read(tmp_path / "out")
    results, searches = report["results"], report["per_search"]
    assert searches["probe"] == ["Ann/2", "Ann/3", "Ben/2", "Cat/2", "Dan/1", "Eve/1"]
    assert searches["above"] == [0, 1, 0, 1, None, None]
    assert searches["other"][1:4:2] == ["Ben", "p7/1"]
    assert searches["other_is_distractor"][1:4:2] == [0, 1]
    assert searches["mate_score"][:2] == pytest.approx(
        [cosine(unit(0, 9, 0.1), unit(0)), cosine(unit(1, 0, 0.4), unit(0))], abs=1e-6
    )
    assert [(rank["rank"], rank["share"]) for rank in results["ranks"]] == [(1, 0.5), (2, 1.0), (5, 1.0)]
    at = {row["distractors"]: row["mean"] for row in results["by_distractors"]}
    assert at == {0: 0.75, 4: 0.5}
    assert (results["mated"], results["nonmated"], results["distractors"]) == (4, 2, 4)
    strict = results["open_set"]["points"][-1]
    assert strict["resolution"] == "unresolved"
    highest = cosine(unit(9, 0, 0.3), unit(0))  # Dan with Ann
    assert strict["threshold_cosine"] == pytest.approx(highest, abs=1e-6)
    assert strict["threshold_cosine"] > searches["other_score"][4]
    assert strict["threshold_l2"] == pytest.approx(np.sqrt(2 - 2 * highest), abs=1e-5)
    assert (strict["false_positives"], strict["fnir"]) == (0, 0.5)


def test_the_terminal_has_the_key_figures(planted, run_eval, tmp_path):
    output = run_eval("identify", *planted, "--out", tmp_path / "out").output
    assert "4 searches with a mate, of 3 people, among 3 templates of 3 people and 4 distractors" in output
    assert "rank-1   50.00 % (95 %: " in output
    assert "2 searches without a mate, of 2 people" in output
    assert "at FPIR 0.001, which so few searches cannot show: unknown below a cosine of 0.39" in output
    assert f"report: {tmp_path / 'out' / 'report.html'}" in output


def test_without_probes_each_photo_is_searched_for_among_the_others(store, run_eval, tmp_path):
    photos = {"Ann/1": unit(0), "Ann/2": unit(0, 9, 0.1), "Ben/1": unit(1), "Ben/2": unit(0, 1, 0.3)}
    gallery = store("all", photos | {"Cat/1": unit(5, 0, 0.2)})
    run_eval("identify", "--gallery", gallery, "--out", tmp_path / "out")
    report = read(tmp_path / "out")
    assert report["leave_one_out"]
    assert report["template"]["kind"] == "image"
    assert report["per_search"]["above"] == [0, 0, 0, 2, None]
    assert report["results"]["by_distractors"][-1]["distractors"] == 0
    error = "without --probes each photo is searched for among the others, so that each is enrolled"
    assert (
        error
        in run_eval(
            "identify", "--gallery", gallery, "--template", "mean", "--out", tmp_path / "b", code=1
        ).output
    )


def test_each_mate_in_turn_is_a_search_of_its_own_and_named_everywhere(store, run_eval, tmp_path):
    photos = {"Ann/1": unit(0), "Ann/2": unit(0, 9, 0.1), "Ann/3": unit(0, 3, 0.6), "Ben/1": unit(0, 1, 0.3)}
    photos |= {"Ben/2": unit(1)}
    gallery = "--gallery", store("all", photos), "--mates", "each"
    output = run_eval("identify", *gallery, "--out", tmp_path / "out").output
    report = read(tmp_path / "out")
    assert (report["mates"]["kind"], report["template"]["words"]) == ("each", "one a photo")
    searches = report["per_search"]
    expected = [(a, b) for a in photos for b in photos if a != b and a[:3] == b[:3]]
    assert list(zip(searches["probe"], searches["mate"], strict=True)) == expected
    for place, (probe, mate) in enumerate(expected):
        others = [cosine(photos[probe], photos[key]) for key in photos if key[:3] != probe[:3]]
        score = cosine(photos[probe], photos[mate])
        assert searches["mate_score"][place] == pytest.approx(score, abs=1e-6)
        assert searches["above"][place] == sum(other > score for other in others)
        assert searches["other_score"][place] == pytest.approx(max(others), abs=1e-6)
    results = report["results"]
    assert (results["mated"], results["nonmated"], results["open_set"]["nonmated"]) == (8, 0, 5)
    assert results["ranks"][0]["share"] == results["by_distractors"][0]["mean"]
    shown = [tuple(photo["key"] for photo in each["photos"][:2]) for each in report["examples"]["hardest"]]
    assert len({probe for probe, _ in shown}) == len(shown) > 1
    assert set(shown) <= set(expected)
    assert "8 searches with a mate, of 2 people, among 5 templates" in output
    assert "mates: each template of the probe's person in turn is the only mate of a search, as in" in output
    assert "no probe is without a mate: the 5 probes with one stand for unknown people" in output
    page = (tmp_path / "out" / "report.html").read_text()
    assert "with each mate in turn as the only one" in page
    assert "may be taken for somebody (FPIR), which so few searches cannot show</small>" in page
    assert "<strong>each.</strong> each template of the probe" in page
    public = read(tmp_path / "out" / "public")["per_search"]
    assert public["probe"][:3] == ["0001/0001", "0001/0001", "0001/0002"]
    assert public["mate"][:3] == ["0001/0002", "0001/0003", "0001/0001"]


def test_each_mate_needs_a_template_a_photo_and_probes_may_be_others(planted, store, run_eval, tmp_path):
    out = "--mates", "each", "--out", tmp_path / "out"
    message = "--template mean enrolls one template a person, which is the only mate: for --mates each take"
    assert message in run_eval("identify", *planted, *out, code=1).output
    gallery = store("two", {"Ann/0": unit(0), "Ann/1": unit(0, 4, 0.3), "Ben/0": unit(1)})
    sets = "--gallery", gallery, *planted[2:], "--template", "image"
    run_eval("identify", *sets, *out)
    searches = read(tmp_path / "out")["per_search"]
    assert searches["probe"] == ["Ann/2", "Ann/2", "Ann/3", "Ann/3", "Ben/2", "Cat/2", "Dan/1", "Eve/1"]
    assert searches["mate"] == ["Ann/0", "Ann/1", "Ann/0", "Ann/1", "Ben/0", None, None, None]
    assert read(tmp_path / "out")["results"]["open_set"]["nonmated"] == 3


def test_if_nobody_is_unknown_searches_without_their_person_stand_for_it(store, run_eval, tmp_path):
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1)})
    probes = store("probes", {"Ann/2": unit(0, 1, 0.1), "Ben/2": unit(1, 0, 0.2)})
    output = run_eval("identify", "--gallery", gallery, "--probes", probes, "--out", tmp_path / "out").output
    opened = read(tmp_path / "out")["results"]["open_set"]
    assert (opened["nonmated_are"], opened["nonmated"]) == ("mated", 2)
    expected = "no probe is without a mate: the 2 probes with one stand for unknown people, of 2 people"
    assert expected in output


def test_what_overlaps_is_left_out_counted_and_named(store, run_eval, tmp_path):
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1)})
    probes = store("probes", {"Ann/2": unit(0), "Ben/2": unit(1, 0, 0.2), "ben/3": unit(3)})
    others = store(
        "others",
        {"ann/9": unit(5), "Dora/1": unit(1, 0, 0.2), "7/1": unit(6), "Eli/1": unit(7), "x": unit(8)},
    )
    arguments = "--gallery", gallery, "--probes", probes, "--distractors", others
    output = run_eval("identify", *arguments, "--out", tmp_path / "out").output
    report = read(tmp_path / "out")
    assert [(each["role"], each["photos"], each["kept"]) for each in report["sets"]] == [
        ("gallery", 2, 2),
        ("probes", 3, 2),
        ("distractors", 5, 3),
    ]
    assert [note["examples"] for note in report["notes"]] == [["Ann/2"], ["ben"], ["ann"], ["Dora/1"], []]
    for words in (
        "note: Probes left out, as their image is in the gallery, byte by byte, and would find itself: 1.",
        "note: People of the probes whose name is in the gallery written otherwise, and who count as others: "
        "1.",
        "note: Distractors left out, as they have the name of somebody in the gallery or the probes: 1.",
        "note: Distractors left out, as their image is one of the gallery or the probes, byte by byte: 1.",
        "note: Distractors whose names cannot show that they are others: they have none, or a number: 2.",
    ):
        assert words in output


def test_a_distractor_with_a_probes_number_is_left_out_unless_it_is_said_to_be_of_another_list(
    store, run_eval, tmp_path
):
    gallery = store("gallery", {"7/1": unit(0), "8/1": unit(1)})
    probes = store("probes", {"7/2": unit(0, 5, 0.9), "8/2": unit(1, 6, 0.9)})
    # "7" and "8" are nearer to their own probes than their entries are; 9 and 07 are nobody's number.
    others = store("others", {"7/9": unit(5), "8/9": unit(6), "9/1": unit(7), "07/1": unit(8)})
    arguments = "--gallery", gallery, "--probes", probes, "--distractors", others
    number = "the number of somebody in the gallery or the probes"
    output = run_eval("identify", *arguments, "--out", tmp_path / "out").output
    assert (
        f"note: Distractors left out, as they have {number} (if these are numbers of other people, "
        "--other-numbers keeps them): 2. For example 7, 8." in output
    )
    assert "they have none, or a number: 2." in output
    report = read(tmp_path / "out")
    assert (report["sets"][2]["kept"], report["results"]["ranks"][0]["share"]) == (2, 1)
    output = run_eval("identify", *arguments, "--other-numbers", "--out", tmp_path / "others").output
    assert f"note: Distractors that stay, by --other-numbers, with {number}: 2. For example 7, 8." in output
    report = read(tmp_path / "others")
    assert (report["sets"][2]["kept"], report["results"]["ranks"][0]["share"]) == (4, 0)
    only = store("only", {"7/9": unit(5), "8/9": unit(6)})
    output = run_eval("identify", *arguments[:-1], only, "--out", tmp_path / "none", code=1).output
    assert "give distractors who are not, or --other-numbers if its numbers are of other people" in output


def test_copies_of_a_photo_are_no_mates_of_it(store, run_eval, tmp_path):
    photos = {
        "Ann/1": unit(0),
        "Ann/2": unit(0),
        "Ann/3": unit(0, 3, 0.1),
        "Ben/1": unit(1),
        "Cat/1": unit(1),
    }
    run_eval("identify", "--gallery", store("all", photos), "--out", tmp_path / "out")
    report = read(tmp_path / "out")
    assert report["per_search"]["probe"] == ["Ann/1", "Ann/3", "Ben/1", "Cat/1"]
    assert [(note["words"].split(",")[0], note["count"]) for note in report["notes"]] == [
        ("Photos left out", 1),
        ("Photos of the gallery whose image is another person's", 2),
        ("Probes that stay", 2),
    ]


def test_an_image_that_was_stored_anew_stays_and_is_named(store, run_eval, tmp_path):
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1)})
    probes = store("probes", {"Ann/2": 2 * unit(0), "Ben/2": unit(1, 0, 0.3), "Dan/1": 3 * unit(5)})
    others = store("others", {"p5/1": unit(5), "p6/1": unit(6)})
    arguments = "--gallery", gallery, "--probes", probes, "--distractors", others
    run_eval("identify", *arguments, "--out", tmp_path / "out")
    report = read(tmp_path / "out")
    assert [each["kept"] for each in report["sets"]] == [2, 3, 2]
    assert [(note["examples"], note["words"]) for note in report["notes"]] == [
        (
            [key],
            f"Probes that stay, and whose embedding is {whose} entry as well (cosine 0.99999), so that both "
            "seem to be one image: 1.",
        )
        for key, whose in (("Ann/2", "the mate's"), ("Dan/1", "somebody else's"))
    ]


def test_templates_are_named_and_differ(store, run_eval, tmp_path):
    photos = {"Ann/1": unit(0), "Ann/2": 3 * unit(1), "Ben/1": unit(2)}
    gallery, probes = (
        store("gallery", photos),
        store("probes", {"Ann/3": unit(0, 1, 0.5), "Ben/2": unit(2, 3, 0.1)}),
    )
    scores = {}
    for kind in ("mean", "best", "image"):
        run_eval(
            *("identify", "--gallery", gallery, "--probes", probes),
            *("--template", kind, "--out", tmp_path / kind),
        )
        report = read(tmp_path / kind)
        scores[kind] = report["per_search"]["mate_score"][0]
        assert report["template"]["kind"] == kind
    assert scores == pytest.approx({"mean": 1.0, "best": np.sqrt(0.5), "image": np.sqrt(0.5)}, abs=1e-6)


def test_what_is_published_names_nobody(planted, run_eval, tmp_path):
    run_eval("identify", *planted, "--out", tmp_path / "out")
    public = (tmp_path / "out" / "public" / "report.json").read_text()
    page = (tmp_path / "out" / "public" / "report.html").read_text()
    for name in ("Ann", "Ben", "Cat", "Dan", "p7", str(tmp_path)):
        assert name not in public
        assert name not in page
    report = json.loads(public)
    assert report["per_search"]["probe"][:3] == ["0001/0001", "0001/0002", "0002/0001"]
    assert report["results"] | {"per_identity": []} == read(tmp_path / "out")["results"] | {
        "per_identity": []
    }


def test_a_set_that_does_not_state_its_model_or_flip_is_named_on_terminal_page_and_in_the_report(
    store, run_eval, tmp_path
):
    gallery = store("gallery", {"Ann/1": unit(0), "Ben/1": unit(1)})
    rotated = np.stack([unit(5), unit(6)])
    write_embeddings(tmp_path / "bare.npz", ["Ann/2", "Ben/2"], rotated, {})
    others = store("others", {"p8/1": unit(8)})
    arguments = "--gallery", gallery, "--probes", tmp_path / "bare.npz", "--distractors", others
    output = run_eval("identify", *arguments, "--out", tmp_path / "out").output
    report, page = read(tmp_path / "out"), (tmp_path / "out/report.html").read_text()
    words = (
        "Probes: the embeddings do not state their model and flip fusion; scores with the other sets mean "
        "something only if theirs is the same: 2."
    )
    assert f"note: {words}" in output
    assert words in page
    assert "not stated, not stated" in page
    assert [note["role"] for note in report["notes"]] == ["probes"]
    assert [(each["model"], each["flip"]) for each in report["sets"]] == [
        ("planted", "none"),
        ("not stated", "not stated"),
        ("planted", "none"),
    ]


def test_one_file_that_states_nothing_is_mixed_with_none(run_eval, tmp_path):
    rows = np.stack([unit(0), unit(0, 3, 0.2), unit(1), unit(1, 3, 0.2)])
    write_embeddings(tmp_path / "all.npz", ["Ann/1", "Ann/2", "Ben/1", "Ben/2"], rows, {})
    run_eval("identify", "--gallery", tmp_path / "all.npz", "--out", tmp_path / "out")
    assert read(tmp_path / "out")["notes"] == []
