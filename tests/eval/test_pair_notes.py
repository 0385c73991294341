"""Odd pairs and photos are counted and said; nothing is left out for them."""

from __future__ import annotations

import numpy as np
import pytest

from eval import report_files
from eval.pair_notes import pair_notes
from eval.people import people_of
from sphereface_plus.data.formats.pairs import Pairs


def listed(*lines: str) -> Pairs:
    fields = [line.split() for line in lines]
    genuine = np.array([kind == "1" for _, _, kind in fields])
    return Pairs([a for a, _, _ in fields], [b for _, b, _ in fields], genuine, np.zeros(len(fields), int))


PLAIN = [f"p{k}/1 p{k}/2 1" for k in range(60)] + [f"p{k}/1 p{k + 1}/2 0" for k in range(59)]


def notes_of(pairs: Pairs, embeddings=None, files=None) -> dict[str, tuple[int, list]]:
    if embeddings is None:
        embeddings = np.random.default_rng(0).normal(size=(len(pairs.photos), 4)).astype(np.float32)
    notes = pair_notes(pairs, people_of(pairs), embeddings, files)
    return {note["words"]: (note["count"], note["examples"]) for note in notes}


def test_ordinary_pairs_have_no_notes():
    assert notes_of(listed(*PLAIN)) == {}


@pytest.mark.parametrize(
    ("line", "words", "example"),
    [
        (
            "p1/1 p1/1 1",
            "Pairs of a photo with itself, which say nothing about the model: 1.",
            ["p1/1", "p1/1"],
        ),
        (
            "p1/2 p1/1 1",
            "Pairs that repeat an earlier one, in this order or the other, and count again: 1.",
            ["p1/2", "p1/1"],
        ),
        (
            "p1/1 p1/2 0",
            "Pairs that an earlier one contradicts: genuine there, impostor here, or the reverse: 1.",
            ["p1/1", "p1/2"],
        ),
        ("p1/1 p5/1 1", "Genuine pairs of two people, known by the photos' folders: 1.", ["p1/1", "p5/1"]),
        ("p1/1 p1/3 0", "Impostor pairs of one person, known by the photos' folders: 1.", ["p1/1", "p1/3"]),
    ],
)
def test_an_odd_pair_is_counted(line, words, example):
    assert notes_of(listed(*PLAIN, line))[words] == (1, [example])


def test_a_crop_under_two_people_is_told_from_one_that_is_twice_with_its_person(tmp_path):
    pairs = listed(*PLAIN)
    files = {key: tmp_path / key.replace("/", "_") for key in pairs.photos}
    for key, path in files.items():
        path.write_bytes({"p1/2": b"p1/1", "p7/1": b"p3/1", "p9/2": b"p3/1"}.get(key, key.encode()))
    notes = notes_of(pairs, files=files)
    assert notes == {
        "Photos whose crop is another photo's, too, byte by byte: 5.": (
            5,
            [["p1/1", "p1/2"], ["p3/1", "p7/1", "p9/2"]],
        ),
        "Photos whose crop is another person's, too: whose it is, is not certain: 3.": (
            3,
            [["p3/1", "p7/1", "p9/2"]],
        ),
    }


def test_embeddings_of_zeros_and_equal_ones_are_counted():
    pairs = listed(*PLAIN)
    embeddings = np.random.default_rng(0).normal(size=(len(pairs.photos), 4))
    embeddings[5] = 0
    embeddings[[8, 9]] = embeddings[7]
    assert {words: count for words, (count, _) in notes_of(pairs, embeddings).items()} == {
        "Photos with an embedding of zeros, whose cosine to every other is 0: 1.": 1,
        "Photos whose embedding is another photo's, too: 3.": 3,
    }
    (words,) = notes_of(pairs, np.ones((len(pairs.photos), 4)))
    assert words == "All photos have one and the same embedding, so that the accuracy means nothing: 120."


def test_page_terminal_and_report_say_it_and_the_public_report_names_nobody(
    lfw_lists, embeddings_file, run_eval, tmp_path
):
    text = (lfw_lists / "pairsDevTest.txt").read_text().splitlines()
    text[2] = text[1]
    (tmp_path / "pairs.txt").write_text("\n".join(text) + "\n")
    model = embeddings_file(tmp_path / "pairs.txt")
    out = tmp_path / "out"
    output = run_eval("verify", "--model", model, "--pairs", tmp_path / "pairs.txt", "--out", out).output
    words = "Pairs that repeat an earlier one, in this order or the other, and count again: 1."
    assert f"note: {words}" in output
    (note,) = [note for note in report_files.read(out)["pairs"]["notes"] if note["words"] == words]
    assert note["examples"] == [["Person_0A/Person_0A_0001", "Person_0A/Person_0A_0002"]]
    page = (out / "report.html").read_text()
    assert "Odd about these pairs" in page
    assert "For example Person_0A/Person_0A_0001, Person_0A/Person_0A_0002" in page
    assert "Person" not in (out / "public" / "report.html").read_text()
