"""report.json says what was measured; report.html says the same to people and needs nothing outside."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from eval import report as reports
from eval import report_files
from eval.intervals import accuracy_interval, few_people_factor
from eval.people import People
from eval.protocols import Outcome
from eval.public import public
from eval.statistics import FARS
from sphereface_plus.data.formats.pairs import pairs_hash, read_pairs


class Page(HTMLParser):
    """What a test asks of a page: tags with attributes, ids, text."""

    VOID = ("meta", "link", "img", "br", "path", "use")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []  # every element is closed, in order

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def measured(lfw_lists, embeddings_file, run_eval, tmp_path_factory):
    """Folder of a report with thumbnails, the model's file, and the pairs."""
    pairs, folder = read_pairs(lfw_lists / "pairs.txt"), tmp_path_factory.mktemp("measured")
    for number, key in enumerate(pairs.photos):
        path = folder / "images" / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((112, 96, 3), number, np.uint8))
    model = embeddings_file(lfw_lists / "pairs.txt", flip="concat", fingerprint="0123abcd")
    arguments = ("--pairs", lfw_lists / "pairs.txt", "--data", folder, "--out", folder / "out")
    run_eval("lfw", "--model", model, *arguments)
    return folder / "out", model, pairs


def test_report_json_holds_every_pair_and_what_was_compared(measured):
    out, model, pairs = measured
    report = json.loads((out / "report.json").read_text())
    per_pair = report["per_pair"]
    assert per_pair["first"] == pairs.first
    assert per_pair["genuine"] == pairs.genuine.astype(int).tolist()
    assert per_pair["fold"] == (pairs.fold + 1).tolist()
    assert report["pairs"]["sha256"] == pairs_hash(pairs)
    assert report["model"]["name"] == str(model)
    assert len(report["model"]["sha256"]) == 64
    assert report["protocol"]["name"] == "sphereface"
    assert report["model"]["flip"] == "concat"
    assert set(report["environment"]) >= {"python", "packages", "processor", "cores", "gpu", "commit"}


def test_numbers_of_report_json_follow_from_its_pairs(measured):
    report = report_files.read(measured[0])
    numbers, per_pair = report["results"], report["per_pair"]
    correct, fold = np.array(per_pair["correct"]), np.array(per_pair["fold"])
    per_fold = [correct[fold == index].mean() for index in range(1, 11)]
    assert numbers["per_fold"] == pytest.approx(per_fold)
    assert numbers["accuracy"] == pytest.approx(np.mean(per_fold))
    assert numbers["accuracy_std"] == pytest.approx(np.std(per_fold))
    assert numbers["accuracy_standard_error"] == pytest.approx(np.std(per_fold, ddof=1) / np.sqrt(10))
    assert numbers["errors"] == np.sum(correct == 0)
    assert numbers["accuracy_interval"][0] < numbers["accuracy"] < numbers["accuracy_interval"][1]
    assert [point["far"] for point in numbers["tar_at_far"]] == list(FARS)
    for point in numbers["tar_at_far"]:
        assert point["threshold_l2"] ** 2 == pytest.approx(2 - 2 * point["threshold_cosine"])
        assert point["interval"][0] <= point["tar"] <= point["interval"][1]
        low, high = point["threshold_cosine_interval"]
        assert low <= point["threshold_cosine"] <= (1 if high is None else high)
    independent = accuracy_interval(correct == 1, fold)
    assert numbers["accuracy_interval_of_independent_pairs"] == pytest.approx(independent)
    # 60 impostor pairs
    assert [point["resolution"] for point in numbers["tar_at_far"]] == ["coarse", *["unresolved"] * 3]


def test_a_threshold_has_its_interval_in_l2_too_in_the_report_and_on_the_page(measured):
    out = measured[0]
    report, page = json.loads((out / "report.json").read_text()), (out / "report.html").read_text()
    for point in report["results"]["tar_at_far"]:
        lenient, strict = point["threshold_cosine_interval"]
        low, high = point["threshold_l2_interval"]
        assert high**2 == pytest.approx(2 - 2 * lenient)
        assert (low is None) == (strict is None)
        said = (
            f"<small>{high:.4f} or less</small>" if low is None else f"<small>{low:.4f} to {high:.4f}</small>"
        )
        assert said in page


def test_page_is_well_formed_and_refers_to_nothing_outside(measured):
    text = (measured[0] / "report.html").read_text()
    page = Page(text)
    references = [a[name] for _, a in page.tags for name in ("src", "href", "xlink:href") if name in a]
    assert all(reference.startswith(("data:", "#")) for reference in references)
    assert not page.of("script")
    assert re.findall(r"url\((?!#)", text) == []
    (policy,) = [a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_page_can_be_read_without_seeing_its_pictures(measured):
    page = Page((measured[0] / "report.html").read_text())
    assert page.of("html")[0]["lang"] == "en"
    assert all(image["alt"].startswith("Person_") for image in page.of("img"))
    assert [svg["role"] for svg in page.of("svg")] == ["img", "img"]
    assert "area under the curve" in page.of("svg")[0]["aria-label"]
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert all(scope["scope"] in ("row", "col") for scope in page.of("th"))


def test_page_shows_the_worst_pairs_as_thumbnails(measured):
    page = Page((measured[0] / "report.html").read_text())
    assert len(page.of("img")) == 2 * 2 * reports.NUM_WORST
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.of("img"))
    per_pair = report_files.read(measured[0])["per_pair"]
    worst = min(s for s, g in zip(per_pair["score"], per_pair["genuine"], strict=True) if g)
    assert f"{worst:.4f}" in page.text


def test_no_thumbnails_leaves_numbers_and_no_face(lfw_lists, embeddings_file, run_eval, tmp_path, measured):
    out = tmp_path / "public"
    run_eval("lfw", "--model", measured[1], "--data", lfw_lists, "--no-thumbnails", "--out", out)
    page = Page((out / "report.html").read_text())
    assert page.of("img") == []
    assert "Genuine pairs with the lowest scores" in page.text
    assert "data:image/" not in (out / "report.html").read_text()


def test_what_may_be_published_lies_by_itself_without_faces_names_and_paths(measured, run_eval, tmp_path):
    out = measured[0]
    public = out / "public"
    assert sorted(path.name for path in public.iterdir()) == ["report.html", "report.json"]
    whole, shown = report_files.read(out), report_files.read(public)
    assert shown["results"] == whole["results"]
    for path in public.iterdir():
        text = path.read_text()
        assert "Person_" not in text
        assert "data:image/" not in text
        assert str(tmp_path.parent.parent) not in text
    people = {key.split("/")[0] for key in whole["per_pair"]["first"] + whole["per_pair"]["second"]}
    numbers = {key.split("/")[0] for key in shown["per_pair"]["first"] + shown["per_pair"]["second"]}
    assert len(numbers) == len(people)
    assert shown["per_pair"]["first"][0] == "0001/0001"
    run_eval("compare", out, public, "--out", tmp_path / "both")  # the same pairs, and no difference


def test_public_commands_lose_folders_only_and_counts_keep_their_names(measured):
    report = report_files.read(measured[0])
    report["command"] = "python -m eval verify --images=/tmp/x/ds --out=/tmp/out --model runs/lr=0.1/best.pt"
    report["per_pair"] = {**report["per_pair"], "first": ["detected/1", *report["per_pair"]["first"][1:]]}
    report["preparation"] = {**report["preparation"], "methods": {"detected": 3}, "not_detected": []}
    report["training"] = {"known": True, "people_in_training": ["detected"]}
    shown = public(report, names=False)
    assert shown["command"] == "python -m eval verify --images=ds --out=out --model best.pt"
    assert shown["preparation"]["methods"] == {"detected": 3}
    assert shown["per_pair"]["first"][0] == "0001/0001"
    assert shown["training"]["people_in_training"] == ["0001"]


def test_names_are_public_where_that_is_asked_for(lfw_lists, run_eval, measured, tmp_path):
    run_eval("lfw", "--model", measured[1], "--data", lfw_lists, "--public-names", "--out", tmp_path / "out")
    shown = report_files.read(tmp_path / "out" / "public")
    assert shown["per_pair"]["first"] == measured[2].first
    assert shown["model"]["name"] == measured[1].name


def test_page_says_protocol_interval_input_and_unresolved_far_in_words(measured):
    text = " ".join(Page((measured[0] / "report.html").read_text()).text.split())
    points = report_files.read(measured[0])["results"]["tar_at_far"]
    expected = [f"{point['far'] * point['independent_impostors']:.2g} expected" for point in points]
    for words in (
        "the mean embedding over both members of all pairs of the other folds is subtracted",
        "95 % Wilson interval, thresholds kept. The 70 people are known by the photos' folders",
        f"coarse: {expected[0]}",
        f"not resolved: {expected[2]}",
        "At a FAR of 1e-02, 1e-03, 1e-04 no impostor pair may be accepted, as one of 60 is a FAR of 1.7e-02",
        "not stated by the file of embeddings",
        "from model 0123abcd",
        "take the protocol cosine",
    ):
        assert words in text


def test_names_in_a_report_are_escaped(lfw_lists, embeddings_file, run_eval, tmp_path):
    model = embeddings_file(lfw_lists / "pairs.txt", name="<b>&model")
    run_eval("lfw", "--model", model, "--data", lfw_lists, "--no-thumbnails", "--out", tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;model" in text


def test_an_impostor_pair_on_top_leaves_no_threshold_for_a_small_far():
    scores = np.concatenate([np.linspace(0.1, 0.5, 20), np.linspace(-0.5, 0.9, 20)])
    genuine, fold = np.repeat([True, False], 20), np.tile(np.arange(2), 20)
    outcome = Outcome(scores, genuine, np.zeros(2), np.ones(2))
    last = reports.results(outcome, genuine, fold)["tar_at_far"][-1]
    assert (last["threshold_cosine"], last["threshold_l2"], last["tar"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a verification report is needed: a folder that `python -m eval verify` wrote"),
        ("{", "is not JSON"),
        ("[]", "is not a verification report of format 1"),
        ('{"format": 7, "per_pair": {}}', "is not a verification report of format 1"),
        ("[" * 100_000, "is not JSON"),
        ('{"format": 1, "per_pair": {}}', r"is damaged or no verification report of ours \(pairs is missing"),
        ('{"format": 1, "per_pair": [], "pairs": 3}', r"is damaged .*pairs: input should be"),
    ],
)
def test_a_file_that_is_no_report_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(report_files.ReportError, match=rf"report\.json[:;] {message}"):
        report_files.read(tmp_path)


@pytest.mark.parametrize(("count", "few"), [(6, True), (19, True), (20, False)])
def test_few_people_are_said_beside_the_interval_which_is_students(count, few):
    person, fold = np.arange(600) % count, np.arange(600) % 10
    people = People(person, np.where(fold < 5, person, (person + 1) % count), count, True, "by hand")
    correct = np.random.default_rng(0).random(600) < 0.9
    outcome = Outcome(np.arange(600.0), correct, np.zeros(10), np.array([correct.mean()] * 10))
    numbers = reports.results(outcome, fold < 5, fold, people)
    assert ("Few people: " in numbers["accuracy_interval_is"]) == few
    assert (
        "Quantiles are Student's, with one degree of freedom less than people."
        in (numbers["accuracy_interval_is"])
    )
    effect = numbers["design_effect"] * few_people_factor(people)
    assert numbers["accuracy_interval"] == accuracy_interval(correct, fold, effect)
