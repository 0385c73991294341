"""Which photos are found, whose they are, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import PrepError
from data_prep.layouts import crop_stem, find_photos, select_photos


@pytest.fixture
def make(tmp_path: Path):
    """Makes a folder with empty files of the given relative paths."""

    def make(*paths: str) -> Path:
        root = tmp_path / "photos"
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        return root

    return make


def found(*arguments, **options) -> list[tuple[str, str]]:
    return [(photo.path, photo.identity) for photo in find_photos(*arguments, **options).photos]


def test_a_folder_gives_its_photos_sorted_with_the_folders_name_as_identity(make):
    root = make("Bob/2.png", "Bob/10.png", "Ann/1.JPG", "Zoë Ö/ü.Jpeg", "J.Lo/J.Lo_0001.jpg")
    assert found(root) == [
        ("Ann/1.JPG", "Ann"),
        ("Bob/10.png", "Bob"),
        ("Bob/2.png", "Bob"),
        ("J.Lo/J.Lo_0001.jpg", "J.Lo"),
        ("Zoë Ö/ü.Jpeg", "Zoë Ö"),
    ]


def test_what_is_no_photo_is_counted_and_hidden_files_are_not(make):
    root = make(
        "Ann/1.jpg", "Ann/notes.TXT", "Ann/.DS_Store", ".git/x/1.jpg", "README", "2.jpg", "Ann/old/3.jpg"
    )
    assert find_photos(root).ignored == {
        "photo beside the identities": 1,
        "other file": 1,
        ".txt file": 1,
        "folder in an identity's folder": 1,
    }


def test_identities_with_too_few_photos_are_left_out(make):
    root = make("Ann/1.jpg", "Bob/1.jpg", "Bob/2.jpg")
    assert found(root, min_images=2) == [("Bob/1.jpg", "Bob"), ("Bob/2.jpg", "Bob")]
    with pytest.raises(PrepError, match="no identity has 3 photos, the most is 2; lower --min-images"):
        find_photos(root, min_images=3)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((), "there is no photo in identity/photo folders, found: nothing"),
        (("Ann/1.txt", "Ann/2.svg"), r"found: \.svg file, \.txt file"),
        (
            ("1.jpg", "2.jpg"),
            "the photos lie directly in the folder, .* name persons and photos: --layout list --list FILE",
        ),
        (
            ("train/Ann/1.jpg",),
            r"the photos lie deeper \(train/Ann/1\.jpg\); if train is a person, with a folder for each video "
            r"or album, add --layout nested; if Ann is one, give .*photos/train$",
        ),
        (("set/1.0/train/Ann/1.jpg",), r"if set is a person.*; if Ann is one, give .*photos/set/1\.0/train$"),
        (("Ann/old/notes.txt",), "there is no photo in identity/photo folders, found: folder in an identity"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_a_sentence(make, paths, message):
    with pytest.raises(PrepError, match=message):
        find_photos(make(*paths))


def test_folders_in_a_persons_folder_are_that_persons_where_the_layout_is_nested(make):
    root = make(
        "Ann/0/1.jpg",
        "Ann/1/1.jpg",
        "Ann/1/late/1.jpg",
        "Ann/2.jpg",
        "Bob/0/1.jpg",
        "Bob/0/x.txt",
        "Bob/.t/1.jpg",
    )
    (root / "Bob/again").symlink_to(root, target_is_directory=True)  # which would never end
    assert found(root, "nested") == [
        ("Ann/0/1.jpg", "Ann"),
        ("Ann/1/1.jpg", "Ann"),
        ("Ann/1/late/1.jpg", "Ann"),
        ("Ann/2.jpg", "Ann"),
        ("Bob/0/1.jpg", "Bob"),
    ]
    assert find_photos(root, "nested").ignored == {".txt file": 1, "folder in an identity's folder": 1}


def test_people_without_a_photo_are_named_with_the_reason(make):
    root = make("Ann/1.jpg", "Ann/2.jpg", "Cid/notes.txt", "Dot/holiday/1.jpg", "Eve/1.jpg", "Flo/.hidden")
    (root / "Bob").mkdir()
    assert find_photos(root, min_images=2).lost == {
        "Bob": "its folder is empty",
        "Cid": "its folder holds no photo, but .txt file 1",
        "Dot": "its photos lie in folders of its own (Dot/holiday), which --layout nested takes",
        "Eve": "1 photo, fewer than --min-images 2",
        "Flo": "its folder is empty",
    }


def test_folders_in_folders_that_are_left_out_are_named(make):
    root = make("Ann/1.jpg", "Ann/a/1.jpg", "Bob/1.jpg", *(f"Bob/{album}/1.jpg" for album in "wxyz"))
    (note,) = find_photos(root).notes
    assert note == (
        "folders in the people's folders are left out, with their photos: Ann/a, Bob/w, Bob/x and 2 more; "
        "--layout nested takes them, too"
    )


def test_a_data_sets_folder_of_images_is_not_taken_for_a_person_in_silence(make):
    root = make("images/1.jpg", "images/2.jpg", "Ann/1.jpg", "labels/identity.txt")
    (note,) = find_photos(root).notes
    assert note.startswith(
        "images is taken for one person, with 2 photos; if it holds several people's, put each"
    )
    assert "--layout list --list FILE" in note


def test_one_person_alone_is_said_to_be_taken_for_one(make):
    root = make("casia/1.jpg", "casia/2.jpg")
    assert find_photos(root).notes[0].startswith("casia is taken for one person, with 2 photos")
    assert find_photos(make("casia/1.jpg", "Bob/1.jpg")).notes == []


def test_of_photos_whose_crops_would_have_one_name_the_first_is_taken_and_the_others_are_named(make):
    found = find_photos(make("Ann/1.JPG", "Ann/1.jpg", "Ann/1.png", "Ann/2.png", "Bob/1.jpg"))
    assert [photo.path for photo in found.photos] == ["Ann/1.JPG", "Ann/2.png", "Bob/1.jpg"]
    assert {photo.path: other for photo, other in found.twins.items()} == {
        "Ann/1.jpg": "Ann/1.JPG",
        "Ann/1.png": "Ann/1.JPG",
    }


def test_a_missing_folder_and_an_unknown_layout_are_refused(tmp_path):
    with pytest.raises(PrepError, match="nowhere: there is no such folder of photos"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(PrepError, match=r"--layout must be one of folder, nested, .*, got 'casia'"):
        find_photos(tmp_path, "casia")


def test_a_list_file_names_photos_with_labels_and_may_hold_spaces_and_tabs(make, tmp_path):
    root = make("a/1.jpg", "b c/2.jpg")
    (tmp_path / "list.txt").write_text("b c/2.jpg\t7\n\na/1.jpg 0\na/missing.jpg 0\na/1.jpg 0\n")
    assert found(root, "list", list_file=tmp_path / "list.txt") == [
        ("a/1.jpg", "0"),
        ("a/missing.jpg", "0"),
        ("b c/2.jpg", "7"),
    ]


def test_a_list_file_is_read_as_other_lists_are(make, tmp_path):
    (tmp_path / "list.csv").write_text("\ufeffpath,identity\nb c/2.jpg,Ann Lee\na/1.jpg, Bob\n")
    assert found(make("a/1.jpg"), "list", list_file=tmp_path / "list.csv") == [
        ("a/1.jpg", "Bob"),
        ("b c/2.jpg", "Ann Lee"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"list\.txt: the list is empty; --list takes a line `path label` for each photo"),
        ("a/1.jpg 0\nb\n", r"list\.txt, line 2: expected `path label`, got 'b'"),
        ("../secret.jpg 0\n", r"list\.txt:1: '\.\./secret\.jpg' leads out of the folder of photos"),
        ("/etc/passwd 0\n", "leads out of the folder of photos"),
        ("C:\\faces\\1.jpg 0\n", "leads out of the folder of photos"),
        ("a/1.jpg 0\na/1.jpg 1\n", "a/1.jpg is listed for two identities, 0 and 1"),
    ],
)
def test_a_bad_list_file_is_refused_with_file_and_line(make, tmp_path, text, message):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(PrepError, match=message):
        find_photos(make("a/1.jpg"), "list", list_file=tmp_path / "list.txt")


def test_a_list_file_and_its_layout_belong_together(make, tmp_path):
    with pytest.raises(PrepError, match="--layout list needs --list FILE, and no other layout takes one"):
        find_photos(make("a/1.jpg"), "list")
    with pytest.raises(PrepError, match="--layout list needs --list FILE, and no other layout takes one"):
        find_photos(make("a/1.jpg"), "folder", list_file=tmp_path / "list.txt")
    with pytest.raises(PrepError, match=r"nowhere\.txt: cannot be read \(No such file"):
        find_photos(make("a/1.jpg"), "list", list_file=tmp_path / "nowhere.txt")


@pytest.mark.parametrize("folder", ["", "images/", "lfw_funneled/"])
def test_lfws_lists_are_read_where_lfw_is_usually_unpacked_to(make, folder):
    root = make(f"{folder}Ann/Ann_0001.jpg", f"{folder}Ann/Ann_0002.jpg", f"{folder}Bob/Bob_0001.jpg")
    (root / "peopleDevTrain.txt").write_text("2\nAnn\t2\nBob\t1\n")
    (root / "pairsDevTest.txt").write_text("1\nAnn\t1\t2\nAnn\t2\tBob\t1\n")
    expected = [("Ann/Ann_0001.jpg", "Ann"), ("Ann/Ann_0002.jpg", "Ann"), ("Bob/Bob_0001.jpg", "Bob")]
    for layout in ("lfw-devtrain", "lfw-devtest"):
        assert found(root, layout) == expected
        assert find_photos(root, layout).root == root / folder


def test_lfws_lists_may_lie_beside_the_folder_of_photos(make):
    root = make("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0001.jpg")
    (root.parent / "pairs.txt").write_text("1\t1\nAnn\t1\t2\nAnn\t2\tBob\t1\n")
    assert len(found(root, "lfw-view2")) == 3


def test_a_missing_or_wrong_lfw_list_is_refused(make):
    root = make("Ann/Ann_0001.jpg")
    with pytest.raises(
        PrepError, match=r"lfw-devtrain needs LFW's peopleDevTrain\.txt in this folder or beside it"
    ):
        find_photos(root, "lfw-devtrain")
    (root / "peopleDevTrain.txt").write_text("1\nAnn Smith\n")
    with pytest.raises(PrepError, match=r"peopleDevTrain\.txt:2: expected a name, a tab and a count"):
        find_photos(root, "lfw-devtrain")
    (root / "peopleDevTrain.txt").write_text("1\nAnn\t2\nBob\t999999999\n")
    with pytest.raises(PrepError, match=r"peopleDevTrain\.txt:3: counts more than 100,000 photos"):
        find_photos(root, "lfw-devtrain")
    (root / "peopleDevTrain.txt").write_text(f"1\nAnn\t{'9' * 5000}\n")
    with pytest.raises(PrepError, match=r"peopleDevTrain\.txt:2: expected a name, a tab and a count"):
        find_photos(root, "lfw-devtrain")
    (root / "peopleDevTrain.txt").write_text("0\n")
    with pytest.raises(PrepError, match="no identity has 1 photo, the most is 0"):
        find_photos(root, "lfw-devtrain")
    (root / "pairs.txt").write_text("10\t300\n")
    with pytest.raises(PrepError, match=r"pairs\.txt: .*6000 lines"):
        find_photos(root, "lfw-view2")


def test_photos_are_selected_by_keys_with_or_without_suffix(make):
    root = make("images/Ann/Ann_0001.png", "images/Ann/Ann_0002.jpg", "images/J.Lo/J.Lo_0001.jpg")
    chosen = select_photos(root, ["Ann/Ann_0001", "Ann/Ann_0002.jpg", "J.Lo/J.Lo_0001", "J.Lo/J.Lo_0009"])
    assert chosen.root == root / "images"
    assert [(photo.path, photo.identity) for photo in chosen.photos] == [
        ("Ann/Ann_0001.png", "Ann"),
        ("Ann/Ann_0002.jpg", "Ann"),
        ("J.Lo/J.Lo_0001.jpg", "J.Lo"),
        ("J.Lo/J.Lo_0009", "J.Lo"),  # missing; it is reported when its turn comes
    ]


def test_a_selection_may_not_lead_out_of_the_folder(make):
    with pytest.raises(PrepError, match=r"'\.\./x' leads out of the folder of photos"):
        select_photos(make("a/1.jpg"), ["../x"])


def test_a_name_that_no_file_system_takes_is_a_photo_that_is_missing(make):
    name = "A" * 300
    chosen = select_photos(make("a/1.jpg"), [f"{name}/1"])
    assert [photo.path for photo in chosen.photos] == [f"{name}/1"]


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("Ann/1.jpg", "Ann/1"),
        ("J.Lo/J.Lo_0001.JPEG", "J.Lo/J.Lo_0001"),
        ("a/J.Lo", "a/J.Lo"),
        ("a/1.2.png", "a/1.2"),
    ],
)
def test_only_an_image_suffix_is_cut_from_a_name(path, stem):
    assert crop_stem(path) == stem


@pytest.mark.real_data
def test_lfws_layouts_have_the_official_numbers_of_photos(shared_data):
    lfw = shared_data / "lfw"
    assert len(found(lfw / "images")) == 13_233
    assert len(found(lfw, "lfw-view2")) == 7_701
    train, test = found(lfw, "lfw-devtrain"), found(lfw, "lfw-devtest")
    assert len(train) == 9_525
    assert len({identity for _, identity in train}) == 4_038
    assert not {identity for _, identity in train} & {identity for _, identity in test}
    assert all((lfw / "images" / path).exists() for path, _ in train + test)
