"""Lists of IJB-B and IJB-C: read as insightface and NIST write them, or refused in a sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphereface_plus.data.formats.ijb import (
    Faces,
    IjbError,
    find_lists,
    read_faces,
    read_pairs,
    read_scores,
    read_subjects,
)


def written(path, text):
    path.write_text(text)
    return path


NIST = (
    "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT\n"
    '7,1,"img/1.png",11,1,2,3,4\n'
    "7,1,frames/9_2.png,12,1,2,3,4\n"
    "3,2,img/2.png,13,,,,\n"
)


def test_faces_of_templates_keep_their_order(tmp_path):
    found = read_faces(written(tmp_path / "f.txt", "1.jpg 1 69544\n2.jpg 1 3720\na b/3.jpg 187955 111105\n"))
    assert found.names == ["1.jpg", "2.jpg", "a b/3.jpg"]
    assert found.template.tolist() == [1, 1, 187955]
    assert found.media.tolist() == [69544, 3720, 111105]


def test_the_detectors_score_is_the_last_number_of_a_line(tmp_path):
    faces = Faces(tmp_path / "f.txt", ["1.jpg", "2.jpg"], np.array([1, 1]), np.array([1, 2]))
    line = "{} 30.5 51.7 65.5 51.5 48.0 71.7 33.5 92.4 62.7 92.2 {}\n"
    file = written(tmp_path / "s.txt", line.format("1.jpg", 0.998) + line.format("2.jpg", 0))
    assert read_scores(file, faces).tolist() == [0.998, 0]
    for text, message in (
        (line.format("1.jpg", 1), "has 1 lines for the 2 faces of f.txt"),
        (line.format("2.jpg", 1), "line 1 is of 2.jpg, 1.jpg in f.txt"),
        ("1.jpg\n2.jpg\n", "line 1 does not end in a score"),
        (line.format("1.jpg", "nan"), "line 1 does not end in a score"),
        (line.format("1.jpg", -1), "line 1 does not end in a score"),
    ):
        with pytest.raises(IjbError, match=message):
            read_scores(written(file, text), faces)


def test_pairs_come_with_labels_or_without(tmp_path):
    found = read_pairs(written(tmp_path / "ijbc_template_pair_label.txt", "1 11065 1\n171707 185794 0\n"))
    assert (found.first.tolist(), found.second.tolist()) == ([1, 171707], [11065, 185794])
    assert found.genuine is not None
    assert found.genuine.tolist() == [True, False]
    found = read_pairs(written(tmp_path / "ijbc_11_G1_G2_matches.csv", "1,11065\n171707,185794\n"))
    assert (found.second.tolist(), found.genuine) == ([11065, 185794], None)


def test_a_template_of_several_faces_is_of_one_subject(tmp_path):
    found = read_subjects(written(tmp_path / "ijbc_1N_gallery_G1.csv", NIST))
    assert (found.template.tolist(), found.subject.tolist()) == ([3, 7], [2, 1])


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_faces, "1.jpg 1 2\n2.jpg 1\n", "line 2 is '2.jpg 1', not an image, its template's number"),
        (read_faces, "1.jpg one 2\n", "line 1 is '1.jpg one 2'"),
        (read_faces, "1.jpg 1 99999999999999999999\n", "holds a number of more than 18 digits"),
        (read_faces, "\n", "the list of faces is empty"),
        (read_pairs, "", "the list of pairs is empty"),
        (read_pairs, "1 2 1\n3 x 0\n", r"is not a list of pairs \(could not convert string 'x'.*row 1"),
        (read_pairs, "1 2 1\n3 4\n", r"the number of columns changed from 3 to 2 at row 2\)"),
        (read_pairs, "1\n", "has 1 number a line, not two templates"),
        (read_pairs, "1 2 1 1\n", "has 4 numbers a line"),
        (read_pairs, "1 2 1\n1 3 0\n1 4 -1\n", "the label of pair 3 is -1, neither 0 nor 1"),
        (read_subjects, "", "its first line does not name the column TEMPLATE_ID"),
        (read_subjects, "template_id,NAME\n1,2\n", "does not name the column SUBJECT_ID"),
        (read_subjects, NIST + "8,x,img/3.png\n", "line 5 has no number in the column TEMPLATE_ID, or"),
        (read_subjects, NIST + "8\n", "line 5 has no number"),
        (read_subjects, NIST + "8,-1,img/3.png\n", "line 5 has no number"),
        (read_subjects, NIST + "7,2,img/3.png\n", "template 7 is of subject 1, and in line 5 of 2"),
        (read_subjects, NIST.splitlines()[0], "holds no template"),
        (read_subjects, NIST + "8,1," + "x" * 200_000, "is not of a CSV"),
    ],
)
def test_another_file_is_refused(tmp_path, read, text, message):
    with pytest.raises(IjbError, match=message) as refused:
        read(written(tmp_path / "list.txt", text))
    assert str(tmp_path / "list.txt") in str(refused.value)


def test_a_file_that_is_missing_or_not_a_text_is_refused(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfa\xff")
    for read in (read_faces, read_pairs, read_subjects):
        with pytest.raises(IjbError, match=r"missing: cannot be read \((No|there is no) such file"):
            read(tmp_path / "missing")
        with pytest.raises(IjbError, match="is not a"):
            read(tmp_path / "bytes")


@pytest.mark.parametrize(("name", "one", "two"), [("ijbc", "G1", "G2"), ("ijbb", "S1", "S2")])
def test_the_lists_of_both_sets_are_found_by_their_names(tmp_path, name, one, two):
    faces = tmp_path / f"{name}_face_tid_mid.txt"
    matches = tmp_path / f"{name}_11_{one}_{two}_matches.csv"
    for file in (faces, matches):
        file.touch()
    assert find_lists(tmp_path).pairs == matches
    labels, scores = tmp_path / f"{name}_template_pair_label.txt", tmp_path / f"{name}_name_5pts_score.txt"
    searched = [tmp_path / f"{name}_1N_{kind}.csv" for kind in (f"gallery_{one}", f"gallery_{two}")]
    probes = tmp_path / f"{name}_1N_probe_mixed.csv"
    for file in (labels, scores, *searched, probes):
        file.touch()
    found = find_lists(tmp_path)
    assert (found.name, found.faces, found.pairs, found.scores) == (name, faces, labels, scores)
    assert (found.galleries, found.probes) == (tuple(searched), probes)


def test_lists_that_are_missing_are_named(tmp_path):
    with pytest.raises(IjbError, match=r"holds no list of faces, such as ijbc_face_tid_mid\.txt"):
        find_lists(tmp_path)
    (tmp_path / "ijbc_face_tid_mid.txt").touch()
    with pytest.raises(IjbError, match=r"neither pairs \(ijbc_template_pair_label.txt\) nor galleries"):
        find_lists(tmp_path)
    (tmp_path / "ijbc_1N_gallery_G1.csv").touch()
    message = "lacks ijbc_1N_gallery_G2.csv and ijbc_1N_probe_mixed.csv, which the search needs"
    with pytest.raises(IjbError, match=message):
        find_lists(tmp_path)
    (tmp_path / "ijbb_face_tid_mid.txt").touch()
    with pytest.raises(IjbError, match="holds lists of ijbb and ijbc; put each in a folder of its own"):
        find_lists(tmp_path)


PIECES = [
    b"1.jpg ",
    b"7",
    b" ",
    b",",
    b"\n",
    b"\r",
    b'"',
    b"\0",
    b"\xff",
    b"-",
    b"1e9",
    b"9" * 30,
    NIST.encode(),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_any_bytes_are_read_or_refused_in_a_sentence(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "any_ijb_list"
    file.write_bytes(data)
    for read in (read_faces, read_pairs, read_subjects):
        said = refusal(read, file)
        assert said is None or (said.startswith(f"{file}: ") and "\n" not in said)


def refusal(read, file):
    try:
        read(file)
    except IjbError as error:
        return str(error)
    return None
