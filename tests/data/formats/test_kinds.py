"""Files that are given where others are expected: each reader says what they are, and who takes them."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.doctor.drop import read_proposals
from data_prep.landmarks_file import read_landmarks
from data_prep.layouts import find_photos
from eval.photos import find_images
from eval.report_files import read as read_report
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.embeddings import write_embeddings
from sphereface_plus.data.formats.kinds import kind_of
from sphereface_plus.data.formats.manifest import COLUMNS
from sphereface_plus.data.formats.names import read_names
from sphereface_plus.data.formats.pairs import read_pairs
from sphereface_plus.errors import UserError

POINTS = "\t".join(f"{number}.25" for number in range(10))
REPORT = {"format": 1, "title": "LFW", "created": "", "protocol": {"name": "cosine"}, "per_pair": {}}
FILES = {
    "pairs.csv": "path1,path2,label,fold\nAnn/1,Ann/2,1,1\n",
    "columns.txt": "same\timage_1\timage_2\nyes\ta.jpg\tb.jpg\n".replace("\t", ","),
    "paths.txt": "Ann/1.jpg Ann/2.jpg 1\nAnn/1.jpg Bob/2.jpg 0\n",
    "label_first.txt": "1 Ann/1.jpg Ann/2.jpg\n0 Ann/1.jpg Bob/2.jpg\n",
    "folds.txt": "Ann Lee/1.jpg\tAnn Lee/2.jpg\t1\t4\n",
    "view2.txt": "10\t300\nAbel_Pacheco\t1\t4\nAbdel_Madi_Shabneh\t1\tDean_Barker\t1\n",
    "view1.txt": "500\nAbel Pacheco 1 4\n".replace("Abel Pacheco", "Abel_Pacheco"),
    "no_head.txt": "Abel_Pacheco\t1\t4\n",
    "manifest.csv": ",".join(COLUMNS) + "\n",
    "landmarks.txt": f"Ann/1.jpg\t{POINTS}\nBob/1.jpg\t0\t{POINTS}\n",
    "list.txt": "Ann/1.jpg 0\nAnn/2.jpg 0\nBob/1.jpg 1\n",
    "my_list.txt": "\ufeffmy photos/a b/1.jpg 1\nmy photos/2.jpg 0\n",
    "list.csv": "path,label\nAnn/1.jpg,0\n",
    "report.json": json.dumps(REPORT),
    "align.json": json.dumps({"settings": {"photos": "/x", "layout": "folder"}}, indent=1),
    "compare.json": json.dumps({"format": 1, "title": "", "protocols": ["cosine"], "models": []}, indent=1),
}
KINDS = {
    **dict.fromkeys(("pairs.csv", "columns.txt", "paths.txt", "label_first.txt", "folds.txt"), "pairs"),
    **dict.fromkeys(("view2.txt", "view1.txt", "no_head.txt"), "pairs"),
    **dict.fromkeys(("list.txt", "my_list.txt", "list.csv"), "list"),
    **{"manifest.csv": "manifest", "landmarks.txt": "landmarks", "report.json": "report"},
    **{"align.json": "alignment", "compare.json": "comparison"},
    **{"e.npz": "embeddings", "last.pt": "checkpoint", "photo.png": "image"},
}
READERS: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "crops": (FaceCrops.open, {"manifest", "list"}),
    "images": (find_images, {"manifest", "list"}),
    "pairs": (read_pairs, {"pairs", "list"}),
    "landmarks": (read_landmarks, {"landmarks"}),
    "photos": (lambda path: find_photos(path.parent, "list", list_file=path), {"list"}),
    "a report": (read_report, {"report"}),
    "names": (read_names, set()),
    "proposals": (read_proposals, set()),
}


@pytest.fixture
def files(tmp_path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    write_embeddings(tmp_path / "e.npz", ["a", "b"], np.ones((2, 3), np.float32), {})
    with zipfile.ZipFile(tmp_path / "last.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_file_is_known_by_its_beginning(files, name, kind):
    assert kind_of(files / name) == kind


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_says_what_another_file_is_and_who_takes_it(files, reader):
    read, takes = READERS[reader]
    for name, kind in KINDS.items():
        if kind in takes:
            continue
        with pytest.raises(UserError) as refused:
            read(files / name)
        message = str(refused.value)
        assert message.startswith((f"{files / name}: is a", f"{files / name}: is the")), message
        assert "; here " in message
        assert " needed" in message
        assert "\n" not in message


def test_a_pairs_list_as_data_path_is_one_sentence_that_says_where_pairs_go(files):
    for name in ("paths.txt", "pairs.csv", "view2.txt"):
        with pytest.raises(UserError) as refused:
            FaceCrops.open(files / name)
        assert str(refused.value) == (
            f"{files / name}: is a list of pairs, which `python -m eval verify --pairs` and validation.pairs "
            "take; here crops are needed: the folder of them, a manifest (.csv), a list or a packed set"
        )


@pytest.mark.parametrize(
    "text",
    [
        "my photos/1.jpg 1\nmy photos/2.jpg 1\n",
        "a/x dir/1.jpg 1\n",
        "1 2/3.jpg 0\n",
        "Ann/1.jpg,Ann Lee\n",
        "0\t3\ta/b.jpg\n",
        "1\ta/b.jpg\t0\n",
        "Ann/1.jpg 12\n",
        "",
        "\n\n",
        "Albert_Costa\nAna_Palacio\n",
        "{",
        "a,b\n1,2\n",
        "Ann/1.jpg\t1 2 3\n",
    ],
)
def test_what_may_be_a_list_of_images_or_anything_is_not_refused(tmp_path, text):
    (tmp_path / "file.lst").write_text(text)
    assert kind_of(tmp_path / "file.lst") in (None, "list")


def test_folders_are_known_by_what_lies_in_them(tmp_path):
    for name, kind in (
        ("manifest.csv", "crops"),
        ("progress.jsonl", "crops"),
        ("checkpoints", "run"),
        ("compare.json", "comparison"),
        ("photo.jpg", None),
    ):
        folder = tmp_path / f"of {name}"
        (folder / name).mkdir(parents=True)
        assert kind_of(folder) == kind
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.json").write_text(json.dumps(REPORT))
    assert kind_of(tmp_path / "report") == "report"
    assert kind_of(tmp_path / "nowhere") is None


def test_a_crops_folder_to_compare_and_a_run_to_train_on_are_one_sentence(tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops/manifest.csv").write_text("")
    (tmp_path / "crops/report.json").write_text(FILES["align.json"])
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError) as refused:
        read_report(tmp_path / "crops")
    assert str(refused.value) == (
        f"{tmp_path}/crops: is a folder of crops, which data.path and --images take; here a verification "
        "report is needed: a folder that `python -m eval verify` wrote"
    )
    with pytest.raises(UserError, match=r"run: is a run folder, which .* as --model; here crops are needed"):
        FaceCrops.open(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: is a folder without a report\.json; a verification report"):
        read_report(tmp_path / "empty")
    with pytest.raises(UserError, match="empty: is a folder without lists; a list of pairs is needed, which"):
        read_pairs(tmp_path / "empty")


_WORDS = [
    "Ann/1.jpg",
    "1",
    "\t",
    ",",
    " ",
    "\n",
    '"',
    "{",
    '"format": 1',
    "path",
    "path1",
    "0.5",
    "\0",
    "\ufeff",
]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(_WORDS), max_size=30).map("".join)))
def test_any_bytes_are_of_a_kind_or_of_none(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any bytes"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    kind_of(path)
    path.write_bytes(b"PK\3\4" + path.read_bytes())
    assert kind_of(path) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_read_here_as_its_reader_would_find_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert kind_of(tmp_path / "pipe") is None
    assert kind_of(tmp_path / ("long" * 1000)) is None


def test_a_list_of_crops_may_be_a_csv(tmp_path):
    from tests.data_prep.small_crops import write_crop

    for number in range(4):
        write_crop(tmp_path / f"{number}.png", number)
    (tmp_path / "list.csv").write_text("path,label\n0.png,0\n1.png,0\n2.png,1\n3.png,1\n")
    assert FaceCrops.open(tmp_path / "list.csv").labels == [0, 0, 1, 1]
