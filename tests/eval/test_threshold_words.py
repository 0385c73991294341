"""A threshold in words: with its interval, an open one, and none; FARs that no pair is left for."""

from eval.threshold_words import no_false_accept_words, threshold_words

POINT = {
    "threshold_cosine": 0.5,
    "threshold_cosine_interval": [0.4, 0.6],
    "threshold_l2": 1.0,
    "threshold_l2_interval": [0.8944, 1.0954],
}


def test_both_intervals_are_said_the_higher_cosine_is_the_lower_distance():
    said = "cosine 0.5000 (0.4000 to 0.6000), L2 1.0000 (0.8944 to 1.0954)"
    assert threshold_words(POINT) == said


def test_an_end_that_cannot_be_told_is_said():
    open_end = POINT | {"threshold_cosine_interval": [0.4, None], "threshold_l2_interval": [None, 1.0954]}
    assert threshold_words(open_end) == "cosine 0.5000 (0.4000 or more), L2 1.0000 (1.0954 or less)"


def test_an_interval_that_is_not_known_is_left_out_and_a_threshold_that_is_not_there_is_said():
    unknown = POINT | {"threshold_cosine_interval": None, "threshold_l2_interval": None}
    assert threshold_words(unknown) == "cosine 0.5000, L2 1.0000"
    none = POINT | {"threshold_cosine": None, "threshold_l2": None}
    assert threshold_words(none) == "no threshold: an impostor pair has the highest score"


def test_a_far_of_less_than_one_pair_is_said_to_be_that_of_no_false_accept():
    assert no_false_accept_words([1e-1, 1e-3], 1000) is None  # 1e-3 of them is one
    assert no_false_accept_words([1e-3, 1e-4, 1e-9], 3000) == (
        "At a FAR of 1e-04, 1e-09 no impostor pair may be accepted, as one of 3,000 is a FAR of 3.3e-04: TAR "
        "and threshold are those of no false accept, whichever the FAR below 3.3e-04"
    )
    said = no_false_accept_words([1e-6, 1e-5, 1e-4, 1e-3, 1e-2], 60)
    assert said is not None
    assert said.startswith("At the lowest FARs no impostor pair may be accepted, as one of 60 is ")
