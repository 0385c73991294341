"""python -m data_prep pairs: the files, and the two commands that it says come next."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.errors import PrepError
from data_prep.packing import pack
from data_prep.pairs import _value, write_pairs
from eval.__main__ import main as eval_main
from sphereface_plus import config
from sphereface_plus.config.recipes import find_recipe
from sphereface_plus.data.crops import CropsError
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.manifest import ManifestRow, write_manifest
from sphereface_plus.data.formats.names import NamesError, read_names
from sphereface_plus.data.formats.pairs import read_pairs
from sphereface_plus.training.beforehand import check_files
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.sets import open_crops
from tests.data_prep.small_crops import write_crop

PEOPLE, PHOTOS = [f"person {number}" for number in range(9)] + ["Ann, Lee"], 5


def of_ten_people(root: Path, *, backwards: bool = False) -> Path:
    """Ten people of five crops, made in one order or the other."""
    names = [f"{person}/{photo}.png" for person in PEOPLE for photo in range(PHOTOS)]
    for seed, name in sorted(enumerate(names), reverse=backwards):
        write_crop(root / name, seed, (112, 96))
    return root


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Path:
    return of_ten_people(tmp_path_factory.mktemp("crops"))


@pytest.mark.parametrize("name", ["1", "1e-3", "my: crops", "a #b", "[x", "true", "~", "plain/a.rec", "a b"])
def test_a_folder_of_any_name_is_a_value_of_set(name):
    assert config.parse_value(_value(name)) == name


@pytest.fixture
def run() -> Callable:
    return lambda *arguments: CliRunner().invoke(main, ["pairs", *map(str, arguments)])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def with_manifest(crops: Path, root: Path) -> Path:
    """The same crops in one folder without people's folders, and a manifest that says whose they are."""
    numbers: list[Any] = [112, 96, *[float("nan")] * 5, *[1.0] * 10]
    rows = []
    for number, path in enumerate(sorted(crops.rglob("*.png"))):
        root.mkdir(exist_ok=True)
        (root / f"{number}.png").write_bytes(path.read_bytes())
        person = path.parent.name
        names = (f"{number}.png", person, "s.jpg", "given", "sphereface_112x96")
        rows.append(ManifestRow(*names, *numbers))
    write_manifest(root / "manifest.csv", rows[::-1])
    return root


def with_list(crops: Path, root: Path) -> Path:
    files = sorted(crops.rglob("*.png"))
    lines = [f"{path.relative_to(crops)} {PEOPLE.index(path.parent.name)}\n" for path in files]
    (crops / "list.txt").write_text("".join(lines))
    return crops / "list.txt"


def packed(suffix: str) -> Callable[[Path, Path], Path]:
    def make(crops: Path, root: Path) -> Path:
        root.mkdir()
        pack(crops, root / f"all{suffix}")
        return root / f"all{suffix}"

    return make


@pytest.mark.parametrize(
    "form", [lambda crops, _: crops, with_manifest, with_list, packed(".rec"), packed(".tar")]
)
def test_crops_in_every_form_that_training_reads_become_pairs_of_their_people(crops, tmp_path, run, form):
    source, out = form(crops, tmp_path / "form"), tmp_path / "mine"
    result = run(source, out)
    assert result.exit_code == 0, result.output
    pairs, verified = read_pairs(out / "pairs.csv"), read_names(out / "verified.txt")
    of_set = FaceCrops.open(source)
    person_of = {key: of_set.identities[label] for key, label in zip(of_set.keys, of_set.labels, strict=True)}
    assert len(verified) == 4
    assert len(pairs) == 2 * 2 * 20
    assert {person_of[key] for key in pairs.photos} == set(verified)
    for first, second, genuine in zip(pairs.first, pairs.second, pairs.genuine, strict=True):
        assert genuine == (person_of[first] == person_of[second])
    people: list[set[str]] = [set(), set()]
    for first, second, fold in zip(pairs.first, pairs.second, pairs.fold, strict=True):
        people[fold] |= {person_of[first], person_of[second]}
    assert not people[0] & people[1]


def test_the_commands_that_it_prints_train_on_the_others_and_verify(crops, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(crops, "some pairs")
    assert result.exit_code == 0, result.output
    train, verify = (shlex.split(line) for line in result.stdout.splitlines()[-2:])
    assert train[:3] == ["sphereface-plus", "train", "configs/face/lfw.yaml"]
    overrides = [value for option, value in pairwise(train) if option == "--set"]
    settings = config.load(find_recipe(Path(train[2])), overrides)
    assert isinstance(settings, config.FaceConfig)
    trained, verified = open_crops(settings), read_names("some pairs/verified.txt")
    assert sorted([*trained.identities, *verified]) == sorted(PEOPLE)
    assert verify[:4] == ["python", "-m", "eval", "verify"]
    assert verify[verify.index("--model") + 1] == train[train.index("--out") + 1] == "runs/some pairs"
    verify[verify.index("--model") + 1] = "pixels"  # instead of minutes of training
    done = CliRunner().invoke(eval_main, verify[3:])
    assert done.exit_code == 0, done.output
    report = json.loads(Path("reports/some pairs/report.json").read_text())
    assert (report["pairs"]["genuine"], report["pairs"]["folds"], report["pairs"]["notes"]) == (40, 2, [])


def test_the_same_files_come_of_any_order_on_the_disk_and_other_ones_of_another_seed(crops, tmp_path, run):
    write_pairs(crops, tmp_path / "one")
    write_pairs(of_ten_people(tmp_path / "again", backwards=True), tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert run(crops, tmp_path / "three", "--seed", 1).exit_code == 0
    assert content(tmp_path / "three") != content(tmp_path / "one")
    assert run(crops, tmp_path / "three", "--seed", 1).exit_code == 0  # its own result is written again
    other = run(crops, tmp_path / "three", "--seed", 2)
    assert (other.exit_code, other.stderr.count("\n")) == (1, 1)
    assert "three: holds the result of python -m data_prep pairs" in other.stderr


def test_what_it_says(crops, tmp_path, run):
    said = run(crops, tmp_path / "mine", "--folds", 5, "--pairs", 8).stdout.splitlines()
    assert said[0] == f"4 of 10 people to verify, 6 to train on: {tmp_path}/mine/verified.txt"
    assert said[1] == f"40 genuine and 40 impostor pairs in 5 folds: {tmp_path}/mine/pairs.csv"
    assert said[2] == (
        "  people are in several folds: 5 folds of their own people need 10 people to verify, two each"
    )
    assert said[3].startswith("  one person has at most 10 of the genuine pairs, a photo is in at most ")
    assert said[4] == "next: train on the others, and verify"
    assert "  nobody is in two folds" in run(crops, tmp_path / "two").stdout.splitlines()


def test_crops_of_another_size_and_people_of_few_are_trained_on_as_they_are(tmp_path, run):
    for number in range(48):
        write_crop(tmp_path / f"crops/{number // 2}/{number}.png", number, (112, 112))
    said = run(tmp_path / "crops", tmp_path / "mine").stdout
    assert "--set network.input.width=112 --set data.min_images=1 --out runs/mine" in said


def test_photos_that_share_a_name_and_people_who_do_are_not_compared(tmp_path, run):
    root = of_ten_people(tmp_path / "crops")
    write_crop(root / "person 1/0.jpg", 99, (112, 96))  # the key of 0.png
    (root / "person 2").rename(root / "PERSON_3")  # person 3, by another spelling
    result = run(root, tmp_path / "mine", "--share", 0.75)
    assert "  12 photos not compared: their name, or their person's, is that of another, too" in result.stdout
    assert not {"person 3", "PERSON_3"} & set(read_names(tmp_path / "mine/verified.txt"))
    assert "person 1/0" not in read_pairs(tmp_path / "mine/pairs.csv").photos


def test_a_name_that_ends_like_an_images_stays_whole(tmp_path):
    root = of_ten_people(tmp_path / "crops")
    for path in root.glob("*/*.png"):
        path.rename(path.with_name(f"{path.stem}.jpg.png"))
    write_pairs(root, tmp_path / "mine")
    keys = set(FaceCrops.open(root).keys)
    assert {key[-4:] for key in keys} == {".jpg"}
    assert set(read_pairs(tmp_path / "mine/pairs.csv").photos) <= keys


def test_too_few_people_and_what_is_no_set_of_crops_are_one_sentence(tmp_path, run):
    for person in "ab":
        write_crop(tmp_path / f"crops/{person}/1.png", 0, (112, 96))
    with pytest.raises(PrepError, match="crops: four people are needed, two of them with two photos"):
        write_pairs(tmp_path / "crops", tmp_path / "mine")
    for source in ("crops", "nowhere"):
        result = run(tmp_path / source, tmp_path / "mine")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert f"error: {tmp_path}/{source}: " in result.stderr
    assert not (tmp_path / "mine").exists()


def test_the_pairs_file_is_a_csv_with_quotes_where_a_name_holds_a_comma(crops, tmp_path):
    write_pairs(crops, tmp_path / "mine", share=0.8)
    with (tmp_path / "mine/pairs.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["path1", "path2", "label", "fold"]
    assert {path.split("/")[0] for row in rows for path in row[:2]} == set(
        read_names(tmp_path / "mine/verified.txt")
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (b"", NamesError, "names.txt: holds no name; a name a line is expected"),
        (b"\xff\xff", NamesError, "names.txt: is not a file of names, a text with a name a line"),
        (b"Bob\n", CropsError, "none of its 1 name, of which the first is 'Bob', is an identity of "),
    ],
)
def test_a_file_of_other_names_is_refused_before_a_training(crops, tmp_path, text, error, message):
    (tmp_path / "names.txt").write_bytes(text)
    overrides = [f"data.path={crops}", f"data.exclude_file={tmp_path}/names.txt"]
    settings = config.load(find_recipe(Path("face/lfw")), overrides)
    assert isinstance(settings, config.FaceConfig)
    with pytest.raises(error, match=message):
        open_crops(settings)


def test_a_file_of_names_that_is_not_there_is_refused_before_torch_is_imported(crops):
    overrides = [f"data.path={crops}", "data.exclude_file=nowhere.txt"]
    with pytest.raises(RunError, match=r"data\.exclude_file nowhere\.txt: there is no such file of names"):
        check_files(config.load(find_recipe(Path("face/lfw")), overrides))
