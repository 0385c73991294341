"""Whose searches there are, and in which groups."""

import html
import json

import numpy as np

from eval.megaface.people import uneven_words
from sphereface_plus.data.formats.megaface_features import write_feature
from tests.eval.megaface.calls import called, report_of

NUM_DISTRACTORS = 120


def test_a_person_has_many_searches_only_beside_others_who_have_fewer():
    numbers = {"people": 8, "without_mate": [], "largest_share": 1 / 8}
    assert uneven_words(numbers) == "8 people with a mate: so few make the intervals wide"
    assert uneven_words(numbers | {"people": 20, "largest_share": 0.09}) is None
    words = "one person has 30 % of the searches, which makes the intervals wide"
    assert uneven_words(numbers | {"largest_share": 0.3}) == words
    assert uneven_words(numbers | {"people": 21, "without_mate": [3]}) == words.replace("30", "12")


def test_groups_are_on_the_terminal(kit):
    (kit / "groups.csv").write_text("identity,age\nAnn,old\nBob,young\n")
    result = called(kit, "--groups", kit / "groups.csv")
    (column,) = report_of(kit)["results"]["raw"]["per_group"]["columns"]
    old = next(group for group in column["groups"] if group["group"] == "old")
    assert "by age at the threshold" in result.output
    assert f"old: 1 person; rank-1 {100 * old['rank1']['share']:.2f} % (" in result.output
    assert "not stated: 1 person; " in result.output


def test_probes_without_a_mate_are_counted_and_named_in_raw_and_cleaned_numbers(kit):
    file = kit / "lists/facescrub_features_list.json"
    probes = json.loads(file.read_text())
    for person in ("Dee", "Eve", "Fay", "Gus"):
        write_feature(kit / f"probes/{person}/{person}_0.png_m.bin", np.arange(16) + len(probes["id"]))
        probes["path"].append(f"{person}/{person}_0.png")
        probes["id"].append(person)
    file.write_text(json.dumps(probes))
    (kit / "noise.txt").write_text("Cy_1.png\nGus_0.png\n")
    result = called(kit, "--probe-noise", kit / "noise.txt")
    assert result.exit_code == 0, result.output
    assert "raw: 13 probes of 7 people, 9 of 3 with a mate" in result.stdout
    assert "cleaned: 11 probes of 6 people, 7 of 2 with a mate" in result.stdout
    raw = "4 probes are their persons' only ones (Dee, Eve, Fay, ...), have no mate and are not searched for"
    cleaned = (
        "4 probes are their persons' only ones (Cy, Dee, Eve, ...), have no mate and are not searched for"
    )
    assert f"note: raw: {raw}\n" in result.stderr
    assert f"note: cleaned: {cleaned}\n" in result.stderr
    report, page = report_of(kit), html.unescape((kit / "out/report.html").read_text())
    assert f"Raw: {raw}." in page
    assert f"Cleaned: {cleaned}." in page
    assert "20 searches of 9 probes of 3 people" in page
    assert [report["people"][person] for person in report["results"]["cleaned"]["without_mate"]] == [
        *("Cy", "Dee", "Eve", "Fay")
    ]
    assert "Dee" not in (kit / "out/public/report.html").read_text()
