"""Whose photos a pair compares, by names where these agree with the list, else by the genuine pairs."""

from __future__ import annotations

import numpy as np
import pytest

from eval.people import people_of
from sphereface_plus.data.formats.pairs import Pairs, read_pairs


def pairs(*lines: str) -> Pairs:
    fields = [line.split() for line in lines]
    genuine = np.array([kind == "1" for _, _, kind in fields])
    return Pairs([a for a, _, _ in fields], [b for _, b, _ in fields], genuine, np.zeros(len(fields), int))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Ann/a Ann/b 1", "Ann/a Bob/a 0", "Bob/a Cem/c 0"], "by the photos' folders"),
        (
            [
                "Data/1/front/1 Data/1/side/1 1",
                "Data/1/front/1 Data/2/side/1 0",
                "Data/2/side/1 Data/3/x/1 0",
            ],
            "by the first 2 folders of a photo's path",
        ),
        (["Ann_1 Ann_2 1", "Ann_1 Bob_1 0", "Bob_1 Cem_12 0"], "by the photos' names without their numbers"),
    ],
)
def test_names_tell_people_where_they_agree_with_the_list(lines, words):
    people = people_of(pairs(*lines))
    assert people.words == words
    assert people.named
    assert people.count == 3
    assert (people.first == people.second).tolist() == [True, False, False]
    assert people.first[0] == people.first[1]
    assert people.second[1] == people.first[2]


def test_numbers_of_a_bin_are_told_apart_as_far_as_genuine_pairs_join_them():
    people = people_of(pairs("00000 00001 1", "00001 00002 1", "00002 00003 0", "00004 00000 0"))
    assert not people.named
    assert people.count == 3
    assert people.first[0] == people.second[1] == people.first[2] == people.second[3]
    assert "as far as genuine pairs join their photos" in people.words


def test_one_mistake_of_a_long_list_does_not_hide_the_folders():
    lines = [f"p{k}/a p{k}/b 1" for k in range(100)] + [f"p{k}/a p{k + 1}/b 0" for k in range(100)]
    people = people_of(pairs(*lines, "p0/a p0/b 0"))
    assert people.words == "by the photos' folders"
    assert people.first[-1] == people.second[-1]


@pytest.mark.real_data
def test_lfws_view_2_is_of_4281_people(shared_data):
    people = people_of(read_pairs(shared_data / "lfw" / "pairs.txt"))
    assert (people.count, people.words) == (4281, "by the photos' folders")
