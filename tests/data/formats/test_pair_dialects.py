"""Pairs in the forms that people have them: each is read as the plain list is, or refused by name."""

from __future__ import annotations

import codecs

import pytest

from sphereface_plus.data.formats.pairs import PairsError, pairs_hash, read_pairs

PLAIN = "a/1.jpg a/2.jpg 1\na/1.jpg b/1.jpg 0\n"
LFW = "1\t1\nAnn\t1\t4\nAnn\t2\tBob\t13\n"


@pytest.fixture
def read(tmp_path):
    def write_and_read(content: str | bytes, name: str = "pairs.txt"):
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return read_pairs(tmp_path / name)

    return write_and_read


@pytest.mark.parametrize("text", [PLAIN, LFW, "Ann_1.jpg 1\nAnn_2.jpg 1\nBob_1.jpg 0\nCem_1.jpg 0\n"])
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_first_line(read, text, encode):
    assert pairs_hash(read(encode(text))) == pairs_hash(read(text))


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("1", "-1"), ("+1", "-1"), ("1.0", "0.0"), ("yes", "no"), ("True", "False"), ("same", "different"),
        ("genuine", "impostor"), ("Y", "N"), ("match", "mismatch"),
    ],
)  # fmt: skip
def test_labels_by_other_words_mean_the_same(read, yes, no):
    expected = pairs_hash(read(PLAIN))
    assert pairs_hash(read(f"a/1.jpg a/2.jpg {yes}\na/1.jpg b/1.jpg {no}\n")) == expected
    assert pairs_hash(read(f"{yes} a/1.jpg a/2.jpg\n{no} a/1.jpg b/1.jpg\n")) == expected
    assert pairs_hash(read(f"a/1.jpg,a/2.jpg,{yes}\na/1.jpg,b/1.jpg,{no}\n", "p.csv")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n",
        "a/1.jpg; a/2.jpg; 1\na/1.jpg; b/1.jpg; 0\n",
        "path1,path2,label\na/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n",
        "Label;Image_1;Image_2;score\n1;a/1.jpg;a/2.jpg;.3\n0;a/1.jpg;b/1.jpg;.7\n",
        '"file A","file B","is same"\n"a/1.jpg","a/2.jpg","yes"\n"a/1.jpg","b/1.jpg","no"\n',
        "path1\tpath2\tlabel\na/1.jpg\ta/2.jpg\t1\na/1.jpg\tb/1.jpg\t0\n",
        "path1 path2 label\na/1.jpg a/2.jpg 1\na/1.jpg b/1.jpg 0\n",
        "a\\1.jpg,a\\2.jpg,1\r\na\\1.jpg,b\\1.jpg,0\r\n",
    ],
)
def test_csvs_with_and_without_a_header_are_the_plain_list(read, text):
    assert pairs_hash(read(text, "pairs.csv")) == pairs_hash(read(PLAIN))


@pytest.mark.parametrize(
    "text",
    [
        "first,second,label,fold\na/1,a/2,1,1\na/1,b/1,0,1\nc/1,c/2,1,7\nc/1,d/1,0,7\n",
        "a/1 a/2 1 3\na/1 b/1 0 3\nc/1 c/2 1 4\nc/1 d/1 0 4\n",
        "a/1\ta/2\t1\t0\na/1\tb/1\t0\t0\nc/1\tc/2\t1\t1\nc/1\td/1\t0\t1\n",
    ],
)
def test_a_fourth_field_or_column_is_the_fold(read, text):
    assert read(text).fold.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "a b/1.jpg\ta b/2.jpg\t1\n",
        "a b/1.jpg,a b/2.jpg,1\n",
        '"a b/1.jpg" "a b/2.jpg" 1\n',
        "a b/1.jpg a b/2.jpg 1\n",
        "1 a b/1.jpg a b/2.jpg\n",
        "a b/1.JPG  a b/2.png  yes\n",
    ],
)
def test_names_may_hold_white_space_where_something_tells_where_they_end(read, text):
    pairs = read(text)
    assert (pairs.first, pairs.second, pairs.genuine.tolist()) == (["a b/1"], ["a b/2"], [True])


@pytest.mark.parametrize("gap", ["\t", " "])
def test_lfws_lines_may_have_names_of_several_words(read, gap):
    lines = ["2", "Ann Lee 1 4", "Bob 1 2", "Ann Lee 2 Bob de Vos 13", "Bob 1 Ann Lee 2"]
    if gap == "\t":
        lines[1:] = ["Ann Lee\t1\t4", "Bob\t1\t2", "Ann Lee\t2\tBob de Vos\t13", "Bob\t1\tAnn Lee\t2"]
    pairs = read("\n".join(lines))
    assert pairs.first[2:] == ["Ann Lee/Ann Lee_0002", "Bob/Bob_0001"]
    assert pairs.second == [
        "Ann Lee/Ann Lee_0004", "Bob/Bob_0002", "Bob de Vos/Bob de Vos_0013", "Ann Lee/Ann Lee_0002"
    ]  # fmt: skip
    assert pairs.genuine.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "Ann 1 4\nAnn 2 Bob 13\n",
        "name,imagenum1,imagenum2,\nAnn,1,4,\nAnn,2,Bob,13\n",  # Kaggle's copy of LFW
        "Ann\t1\t4\nAnn\t2\tBob\t13\n",
        "1,1\nAnn,1,4\nAnn,2,Bob,13\n",
    ],
)
def test_lfws_lines_without_their_counts_are_pairs_of_one_fold(read, text):
    assert pairs_hash(read(text, "pairs.csv")) == pairs_hash(read(LFW))


@pytest.mark.parametrize(
    "text",
    [
        "name,imagenum1,name,imagenum2\nAnn,2,Bob,13\n7,1,8,3\n",  # Kaggle's
        "name,imagenum1,name,imagenum2,\nAnn,2,Bob,13,\n7,1,8,3,\n",
        "Name1;Name2;Imagenum1;Imagenum2\nAnn;Bob;2;13\n7;8;1;3\n",
    ],
)
def test_impostor_pairs_are_read_by_the_columns_that_are_named(read, text):
    pairs = read(text, "mismatchpairs.csv")
    assert list(zip(pairs.first, pairs.second, strict=True)) == [
        ("Ann/Ann_0002", "Bob/Bob_0013"),
        ("7/7_0001", "8/8_0003"),
    ]
    assert not pairs.genuine.any()
    assert not pairs.fold.any()


@pytest.mark.parametrize(
    ("text", "second", "genuine"),
    [
        ("0045 1 2\n0045 1 7 1\n", ["0045/0045_0002", "7/7_0001"], [True, False]),
        (
            "Ann Lee 2 1\nAnn Lee 1 Henry 8 3\n",
            ["Ann Lee/Ann Lee_0001", "Henry 8/Henry 8_0003"],
            [True, False],
        ),
        ("a/1 a/2 same\na/1 b/1 different\n", ["a/2", "b/1"], [True, False]),
    ],
)
def test_numbers_as_names_and_words_as_labels_stay_what_they_are(read, text, second, genuine):
    pairs = read(text)
    assert (pairs.second, pairs.genuine.tolist()) == (second, genuine)


def test_names_with_commas_do_not_make_a_list_a_csv(read):
    pairs = read("Sammy_Davis,_Jr/1.jpg King,_Jr/2.jpg 0\na/1.jpg a/2.jpg 1\n")
    assert pairs.first == ["Sammy_Davis,_Jr/1", "a/1"]


def test_a_folder_of_lists_has_a_fold_for_each(tmp_path):
    for number in range(1, 12):
        (tmp_path / f"fold{number}.txt").write_text(f"a/{number} a/2 1\na/{number} b/1 0\n")
    pairs = read_pairs(tmp_path)
    assert pairs.fold.tolist() == [number // 2 for number in range(22)]
    assert pairs.first[::2] == [f"a/{number}" for number in range(1, 12)]  # 2 before 10
    (tmp_path / "fold3.txt").write_text("a/1 a/2 1 1\na/1 b/1 0 2\n")
    with pytest.raises(PairsError, match=r"fold3\.txt: has folds of its own, but is one of 11 lists"):
        read_pairs(tmp_path)
    for path in tmp_path.iterdir():
        if path.name != "fold3.txt":
            path.unlink()
    assert read_pairs(tmp_path).fold.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/1 a/2 1\na/1 b/1 0\na/1 c/1 -1\n", "its labels are -1, 0, 1; a list uses one word for genuine"),
        ("a/1 a/2 1\na/1 a/3 yes\n", "its labels are 1, yes; a list uses"),
        ("id_a;id_b;same\na/1;a/2;yes\na/1;b/1;no\n", "line 1: names the columns id_a, id_b, same; expected"),
        ("id_a id_b match\na/1 a/2 1\na/1 b/1 0\n", "line 1: names the columns id_a, id_b, match; expected"),
        (
            "Ann 1 2 1\nAnn 1 Bob 2 0\n",
            "line 1: 'Ann 1 2 1' may be a pair of 'Ann/Ann_0001' and '2/2_0001', or",
        ),
        ("Ann 1 2\nAnn 1 3 1\n", "line 2: 'Ann 1 3 1' may be a pair of .*leave the label out"),
        ("Ann 1 2\nAnn 1 Bob 2 0\n", "line 2: 'Ann 1 Bob 2 0' may be a pair of .* and 'Bob 2/Bob 2_0000'"),
        ("0045 1 2 1\n0046 1 3 1\n", "line 1: '0045 1 2 1' may be a pair"),
        (
            "person_a,person_b,decision\na/1.jpg,a/2.jpg,1\n",
            "line 1: names the columns person_a, person_b, dec",
        ),
        (
            "path1,path2,label\na/1.jpg,a/2.jpg\n",
            "line 2: expected two paths, a label .*got 'a/1.jpg,a/2.jpg'",
        ),
        ("path1,path2,label\na/1.jpg,a/2.jpg,maybe\n", "line 2: expected two paths, a label"),
        ("path1,path2,label\n", "the pairs file holds a header and no pair"),
        ("name,imagenum1,imagenum2\n", "the pairs file holds a header and no pair"),
        ("name,imagenum1,imagenum2\nAnn,1\n", "line 2: expected `name n m` "),
        ("name,imagenum1,name,imagenum2\n", "the pairs file holds a header and no pair"),
        (
            "name,imagenum1,name,imagenum2\nAnn,1,Bob\n",
            "line 2: expected two names and two numbers, in the columns that line 1 names, got 'Ann,1,Bob'",
        ),
        ('"a/1.jpg,a/2.jpg,1\n', "is not a CSV"),
        ("a b/1 a b/2 1\n", "line 1: expected `path path 1`"),  # where does which path end?
        ("path1,path2,label,fold\na/1,a/2,1,x\n", "line 2: expected two paths, a label .*, a fold"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(read, text, message):
    with pytest.raises(PairsError, match=rf"pairs\.csv.*{message}"):
        read(text, "pairs.csv")
