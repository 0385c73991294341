from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.formats.lists import ListError, read_list, read_named_list


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("a.txt", "Ann/a 1.jpg 7", ("Ann/a 1.jpg", 7)),
        ("a.txt", "Ann/1.jpg\t0", ("Ann/1.jpg", 0)),
        ("a.txt", "\ufeffAnn/1.jpg 3", ("Ann/1.jpg", 3)),
        ("a.txt", "Ann/a 1.jpg,3", ("Ann/a 1.jpg", 3)),
        ("a.txt", '"Ann/a, 1.jpg"; 3', ("Ann/a, 1.jpg", 3)),
        ("a.lst", "12\t3.000000\tAnn/a 1.jpg", ("Ann/a 1.jpg", 3)),  # im2rec
        ("a.lst", "1\t/data/Ann/a 1.jpg\t3", ("/data/Ann/a 1.jpg", 3)),  # insightface
        ("a.lst", "0\tAnn/1.jpg\t3\t1.0\t2.0\t3.0\t4.0", ("Ann/1.jpg", 3)),
    ],
)
def test_a_line_of_each_kind_is_read(tmp_path, name, line, expected):
    mark, line = ("\ufeff", line[1:]) if line.startswith("\ufeff") else ("", line)
    (tmp_path / name).write_text(f"{mark}\n{line}\n")
    assert read_list(tmp_path / name) == ([expected[0]], [expected[1]])


@pytest.mark.parametrize("begin", ["path,label\n", "Image;Identity\r\n", "\ufefffile label\n", "\ufeff"])
def test_a_header_and_a_byte_order_mark_are_no_crops(tmp_path, begin):
    (tmp_path / "a.txt").write_text(f"{begin}Ann/1.jpg,7\nBob/1.jpg,8\n")
    assert read_list(tmp_path / "a.txt") == (["Ann/1.jpg", "Bob/1.jpg"], [7, 8])


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("a.txt", "Ann/a 1.jpg 7", ("Ann/a 1.jpg", "7")),
        ("a.txt", "Ann Lee/1.JPG Ann Lee", ("Ann Lee/1.JPG", "Ann Lee")),
        ("a.txt", "Ann Lee/1.jpg\tAnn Lee", ("Ann Lee/1.jpg", "Ann Lee")),
        ("a.txt", "Ann Lee/1.jpg , Ann Lee ", ("Ann Lee/1.jpg", "Ann Lee")),
        ("a.txt", "Lee, Ann/1.jpg,Ann", ("Lee, Ann/1.jpg", "Ann")),
        ("a.txt", '"Lee, Ann/1.jpg";"Lee, Ann"', ("Lee, Ann/1.jpg", "Lee, Ann")),
        ("a.txt", "a.jpg copy/1.jpg Ann", ("a.jpg copy/1.jpg", "Ann")),
        ("a.txt", "Ann/frame 1 Ann", ("Ann/frame 1", "Ann")),
        ("a.txt", "Ann/1.jpg 007", ("Ann/1.jpg", "007")),
        ("a.txt", "Ann/1.jpg id", ("Ann/1.jpg", "id")),
        ("a.lst", "12\t3.000000\tAnn/a 1.jpg", ("Ann/a 1.jpg", "3")),
    ],
)
def test_labels_of_photos_may_be_names(tmp_path, name, line, expected):
    (tmp_path / name).write_text(f"{line}\n\n{line}\n")
    assert list(read_named_list(tmp_path / name)) == [(1, *expected), (3, *expected)]


@pytest.mark.parametrize("header", ["path,label", "file;Name", "image\tperson"])
def test_a_header_over_names_is_no_photo(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\r\nAnn/1.jpg,Ann\r\n")
    assert list(read_named_list(tmp_path / "a.csv")) == [(2, "Ann/1.jpg", "Ann")]


@pytest.mark.parametrize(
    ("line", "shown"), [("Ann/1.jpg", "'Ann/1.jpg'"), ("Ann/1\0.jpg Ann", r"'Ann/1\\x00.jpg Ann'")]
)
def test_a_line_without_a_name_or_path_is_refused(tmp_path, line, shown):
    (tmp_path / "a.txt").write_text(line)
    with pytest.raises(ListError, match=rf"a\.txt, line 1: expected `path label`, got {shown}$"):
        list(read_named_list(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("a.txt", "Ann/1.jpg", "line 2: expected `path label`, label 0, 1, 2"),
        ("a.txt", "Ann/1\0.jpg 7", "line 2: expected `path label`"),
        ("a.txt", "7", "line 2: expected `path label`"),
        (
            "a.txt",
            "Ann/1.jpg Ann",
            "line 2: .*; if 'Ann' is a name, number the people from 0, or put each one's",
        ),
        ("a.txt", "Ann/1.jpg -1", r"line 2: expected `path label`, label 0, 1, 2, ..., got 'Ann/1.jpg -1'$"),
        ("a.lst", "1 Ann/1.jpg 7", "line 2: expected `index <tab> label <tab> path` or `aligned"),
        ("a.lst", "1\tAnn/1.jpg\t0.5", "line 2: expected"),
        ("a.lst", "1\t2.5\tAnn/1.jpg", "line 2: expected"),
        ("a.lst", "1\t2.0", "line 2: expected"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, name, line, message):
    good = "1\tAnn/1.jpg\t3" if name == "a.lst" else "Ann/1.jpg 3"
    (tmp_path / name).write_text(f"{good}\n{line}\n")
    with pytest.raises(ListError, match=message):
        read_list(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n", "the list holds no crop"), (b"\xff", "is not a list of images")]
)
def test_an_empty_or_binary_list_is_refused(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ListError, match=message):
        read_list(tmp_path / "a.txt")


LISTS = {
    "fuzzed.txt": b"Ann/a 1.jpg 7\n\nBob/1.jpg\t0\n",
    "fuzzed.lst": b"12\t3.000000\tAnn/1.jpg\n1\t/data/Ann/1.jpg\t3\n0\tAnn/1.jpg\t3\t1.0\t2.0\n",
}


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_damage_gives_another_error_than_a_list_error(tmp_path_factory, damage, data):
    name = data.draw(st.sampled_from(sorted(LISTS)))
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(damage(data, LISTS[name]))
    with suppress(ListError):
        names, labels = read_list(path)
        assert len(names) == len(labels)
    with suppress(ListError):
        assert all(name and label for _, name, label in read_named_list(path))
