"""The pages as a browser builds them: all there, nothing refused, no word on the console."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sphereface_plus.data.formats.embeddings import write_embeddings

pytestmark = pytest.mark.browser


def test_report_and_comparison_open_without_a_complaint(
    lfw_lists, embeddings_file, run_eval, tmp_path, open_page
):
    outs = []
    for name, noise in (("plain", 1.2), ("better", 0.6)):
        model = embeddings_file(lfw_lists / "pairs.txt", name, noise, flip="concat")
        outs.append(tmp_path / name)
        run_eval("lfw", "--model", model, "--data", lfw_lists, "--no-thumbnails", "--out", outs[-1])
    run_eval("compare", *outs, "--out", tmp_path / "compare")
    for page, words in (
        (outs[0] / "report.html", ["LFW view 2: plain", "TAR at FAR", "How this was measured", "</html>"]),
        (
            tmp_path / "compare" / "compare.html",
            ["2 models on the same pairs", "Against <bdi>plain</bdi>", "</html>"],
        ),
    ):
        document, console = open_page(page)
        assert console == []
        assert all(word in document for word in words)
        assert document.count("<svg") == 2


def test_the_name_of_a_model_is_not_broken_where_a_line_holds_it(
    lfw_lists, embeddings_file, run_eval, tmp_path, open_page
):
    outs = []
    for name in ("quickstart_sphereface", "quickstart_sphereface_plus"):
        model = embeddings_file(lfw_lists / "pairs.txt", name)
        outs.append(tmp_path / name)
        run_eval("lfw", "--model", model, "--data", lfw_lists, "--no-thumbnails", "--out", outs[-1])
    run_eval("compare", *outs, "--out", tmp_path / "compare")
    page = tmp_path / "compare" / "compare.html"
    text = re.sub("<meta http-equiv=[^>]*>", "", page.read_text())  # it allows no script
    lines = "[...document.querySelectorAll('tbody th bdi')].map(it => it.getClientRects()[0].height / 15.5)"
    script = f"<p id=lines></p><script>lines.textContent={lines}</script></body>"
    page.write_text(text.replace("</body>", script))
    document, _ = open_page(page)
    heights = re.findall(r"<p id=.lines.>([^<]*)<", document)[0].split(",")
    assert len(heights) >= 2
    assert all(float(height) < 2 for height in heights)


def test_a_page_that_refers_outside_is_caught_by_the_browser(
    lfw_lists, embeddings_file, run_eval, tmp_path, open_page
):
    model = embeddings_file(lfw_lists / "pairs.txt")
    run_eval("lfw", "--model", model, "--data", lfw_lists, "--no-thumbnails", "--out", tmp_path)
    page = tmp_path / "report.html"
    page.write_text(page.read_text().replace("<main>", '<main><img src="https://example.org/x.png">'))
    _, console = open_page(page)
    assert "Content Security Policy" in console[0]


def test_an_identification_opens_without_a_complaint(run_eval, tmp_path, open_page):
    generator = np.random.default_rng(0)
    sets = {"gallery": (range(12), 2), "probes": (range(18), 2), "distractors": (range(18, 60), 1)}
    options = []
    for role, (people, photos) in sets.items():
        keys = [f"p{person}/{role}{photo}" for person in people for photo in range(photos)]
        rows = [
            np.eye(60)[person] + 0.2 * generator.normal(size=60) for person in people for _ in range(photos)
        ]
        write_embeddings(tmp_path / f"{role}.npz", keys, np.array(rows, np.float32), {})
        options += [f"--{role}", tmp_path / f"{role}.npz"]
    (tmp_path / "groups.csv").write_text("identity,side\n" + "".join(f"p{n},{n % 2}\n" for n in range(18)))
    run_eval("identify", *options, "--groups", tmp_path / "groups.csv", "--out", tmp_path / "out")
    document, console = open_page(tmp_path / "out" / "report.html")
    assert console == []
    for words in ("Known people: who comes first", "Unknown people: where to say so", "By group", "</html>"):
        assert words in document
