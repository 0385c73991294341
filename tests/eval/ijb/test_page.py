"""The page of an IJB report."""

import json

import pytest

from eval.ijb.page import least_found
from tests.eval.ijb.calls import called, report_of


def test_the_page_shows_the_subjects_that_are_found_least_often(kit):
    assert called(kit).exit_code == 0
    page = (kit / "out/report.html").read_text()
    for gallery in report_of(kit)["identification"]["galleries"]:
        counts = gallery["by_subject"]
        rows = least_found(counts)
        lost = {
            subject: (searches, first)
            for subject, searches, first in zip(
                counts["subject"], counts["searches"], counts["first"], strict=True
            )
            if first < searches
        }
        assert {row["subject"]: (row["searches"], row["first"]) for row in rows} == lost
        shares = [row["first"] / row["searches"] for row in rows]
        assert shares == sorted(shares)
        for row in rows:
            cells = f'<th scope="row">{row["subject"]}</th><td>{row["searches"]}</td><td>{row["first"]}</td>'
            assert cells in page


def test_the_page_shows_both_protocols_and_the_public_one_no_path(kit):
    assert called(kit).exit_code == 0
    page = (kit / "out/report.html").read_text()
    assert page.count("<svg") == 3
    for words in ("Verification, 1:1", "Identification, 1:N", "Mean of both", "96.67", "first, then the sum"):
        assert words in page
    public = (kit / "out/public/report.html").read_text() + (kit / "out/public/report.json").read_text()
    assert str(kit) not in public
    whole = report_of(kit)
    assert json.loads((kit / "out/public/report.json").read_text())["verification"] == whole["verification"]


@pytest.mark.browser
def test_its_page_opens_without_a_complaint(kit, open_page):
    assert called(kit).exit_code == 0
    document, console = open_page(kit / "out" / "report.html")
    assert console == []
    for words in ("IJB-C", "TAR at FAR", "How this was measured", "</html>"):
        assert words in document
