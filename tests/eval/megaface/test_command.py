"""`python -m eval megaface` on a small kit: lists, the page, and every refusal in a sentence."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from eval.threshold_words import threshold_words
from sphereface_plus.data.formats.megaface_features import write_feature
from tests.eval.megaface.calls import called, report_of

NUM_DISTRACTORS = 120


def test_raw_and_cleaned_numbers_come_from_one_run(kit):
    noise = ("--probe-noise", kit / "probe_noise.txt", "--distractor-noise", kit / "distractor_noise.txt")
    result = called(kit, *noise)
    assert result.exit_code == 0, result.output
    assert "note: 1 of 2 names in probe_noise.txt is a probe here" in result.output
    assert "raw: 9 probes of 3 people" in result.output
    at = report_of(kit)["results"]["raw"]["tar_over_sets"][-1]
    assert f"; mean of 2 sets {100 * at['mean']:.2f} %, sd {100 * at['deviation']:.2f}" in result.output
    assert "Raw, TAR over the sets, all distractors of each" in (kit / "out/report.html").read_text()
    assert "cleaned: 8 probes of 3 people" in result.output
    report = report_of(kit)
    raw, cleaned = report["results"]["raw"], report["results"]["cleaned"]
    assert [size["size"] for size in raw["sizes"]] == [10, 100]
    # Of Bob's six searches the four with the stranger's photo fail: 20 searches in all, 16 of them found.
    assert raw["searches"] == 12 + 6 + 2
    assert raw["sizes"][1]["ranks"][0]["rate"] == pytest.approx(16 / 20)
    assert cleaned["searches"] == 12 + 2 + 2
    assert cleaned["sizes"][1]["ranks"][0]["rate"] == 1
    assert cleaned["sizes"][1]["distractors"] == [99, 100]
    assert len(report["probes"]["noise"]["sha256"]) == 64
    assert (report["examples_are"], report["examples"]["hardest"]) == ("cleaned", [])
    twins = [[photo["key"] for photo in pair["photos"]] for pair in report["examples"]["twins"]]
    assert len(twins) == 8
    assert not {"Bob/Bob_2", "003/3@N00/3_0"} & {key for pair in twins for key in pair}
    owner = {"Ann": "Ann", "Bob": "Bob", "Cy": "Cy"}
    for pair in report["examples"]["twins"]:
        assert pair["photos"][0]["person"] == owner[pair["photos"][0]["key"].split("/")[0]]
    bob = next(row for row in cleaned["per_identity"] if row["person"] == "Bob")
    assert (bob["searches"], bob["first"]) == (2, 2)
    worst = raw["per_identity"][0]
    assert (worst["person"], worst["searches"], worst["first"]) == ("Bob", 6, 2)
    kept = json.loads((kit / "out/kit/raw/cmc_facescrub_megaface_m_100_1.json").read_text())
    assert kept["cmc"][0][0] == 0
    assert kept["cmc"][1][0] == pytest.approx(16 / 20)


def test_the_examples_are_raw_where_no_noise_list_is_given_and_named_so(kit):
    assert called(kit).exit_code == 0
    report = report_of(kit)
    probe, mate, *above = report["examples"]["hardest"][0]["photos"]
    assert "Bob/Bob_2" in (probe["key"], mate["key"])
    assert mate["is"] == "mate"
    assert all(photo["is"] == "above" and photo["score"] >= mate["score"] for photo in above)
    mate, twin = report["examples"]["twins"][0]["photos"]
    assert (mate["key"], mate["person"], twin["key"]) == ("Bob/Bob_2", "Bob", "003/3@N00/3_0")
    page = (kit / "out/report.html").read_text()
    assert re.findall("<h2>(.*), raw</h2>", page) == [
        "Hardest probes",
        "Distractors that look like a mate",
        "By person",
    ]


def test_a_distractor_without_an_image_is_left_out_and_counted(kit):
    (kit / "distractors/000/0@N00/0_0.jpg_m.bin").unlink()
    result = called(kit)
    assert result.exit_code == 0, result.output
    said = "note: no image is there of 1 distractor of the lists: left out (000/0@N00/0_0.jpg; all are in "
    assert f"{said}{kit}/out/missing_distractors.txt)" in result.output
    assert (kit / "out/missing_distractors.txt").read_text() == "000/0@N00/0_0.jpg\n"
    assert report_of(kit)["results"]["raw"]["sizes"][0]["distractors"] == [9, 10]
    assert "rank-1 among        10, of which 9 to 10, by the set, are there:" in result.output
    page = (kit / "out/report.html").read_text()
    assert '<th scope="row">10</th><td>9 to 10</td>' in page


def test_without_lists_folders_are_people_and_distractors_come_in_random_orders(kit):
    shutil.rmtree(kit / "lists")
    result = called(kit, "--suffix", "_m.bin", "--sets", "2")
    assert result.exit_code == 0, result.output
    sizes = report_of(kit)["results"]["raw"]["sizes"]
    assert [size["size"] for size in sizes] == [10, 100, 120]
    assert len(sizes[0]["ranks"][0]["per_set"]) == 2
    assert sizes[2]["ranks"][0]["per_set"] == [pytest.approx(16 / 20)] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda kit: (kit / "lists/facescrub_features_list.json").unlink(),
            "there is no such list of probes",
        ),
        (
            lambda kit: (kit / "probes/Ann/Ann_0.png_m.bin").unlink(),
            "probes: lacks 1 of the 9 features of probes (Ann/Ann_0.png_m.bin); extract them",
        ),
        (
            lambda kit: write_feature(kit / "probes/Cy/Cy_1.png_m.bin", np.ones(15)),
            "1 of the 9 features of probes cannot be used: 1 of other than 16 numbers (Cy/Cy_1.png_m.bin)",
        ),
        (
            lambda kit: write_feature(kit / "probes/Cy/Cy_1.png_m.bin", np.full(16, np.nan)),
            "cannot be used: 1 not finite, or 0 (Cy/Cy_1.png_m.bin); extract them again, or take",
        ),
        (lambda kit: shutil.rmtree(kit / "distractors/000"), None),
        (
            lambda kit: [shutil.rmtree(folder) for folder in (kit / "distractors").iterdir()],
            "holds no feature",
        ),
        (lambda kit: (kit / "lists/megaface_features_list.json_10_1").write_text("{}"), "field path"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(kit, change, message):
    change(kit)
    result = called(kit)
    if message is None:
        assert result.exit_code == 0, result.output
        return
    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") <= 2
    assert not (kit / "out/report.json").exists()


def test_the_page_shows_both_kinds_of_numbers_and_the_public_one_names_nobody(kit):
    noise = ("--probe-noise", kit / "probe_noise.txt", "--distractor-noise", kit / "distractor_noise.txt")
    result = called(kit, *noise)
    assert result.exit_code == 0, result.output
    page = (kit / "out/report.html").read_text()
    assert "Rank-1 among 100, cleaned" in page
    for kind, numbers in report_of(kit)["results"].items():
        for point in numbers["verification"][-1]["tar_at_far"]:
            said = f"; {threshold_words(point)}"
            assert said in result.stdout, kind
            for ends in (point["threshold_cosine_interval"], point["threshold_l2_interval"]):
                assert all(f"{end:.4f}" in page for end in ends if end is not None)
    assert "80.00" in page  # raw
    assert page.count("<svg") == 4
    assert "Ann_" in page
    assert "Bob_2" not in page  # the noise list names it
    assert "Cleaned: one person has 75 % of the searches, which makes the intervals wide" in page
    assert (
        re.findall(r'col">(Rank [0-9,]+)', page) == ["Rank 1", "Rank 10", "Rank 100"] * 2
    )  # of 100 distractors
    public = (kit / "out/public/report.html").read_text() + (kit / "out/public/report.json").read_text()
    for private in ("Bob", "N00", str(kit)):
        assert private not in public
    shown = json.loads((kit / "out/public/report.json").read_text())["results"]
    for kind, numbers in report_of(kit)["results"].items():
        people = {row["person"]: row for row in numbers.pop("per_identity")}
        for row, person in zip(
            sorted(shown[kind].pop("per_identity"), key=lambda row: row["person"]),
            sorted(people),
            strict=True,
        ):
            assert row | {"person": person} == people[person]
        assert shown[kind] == numbers


@pytest.mark.parametrize("empty", ["probes", "distractors"])
def test_a_folder_without_images_is_one_sentence(empty, tmp_path):
    for name in ("probes", "distractors"):
        (tmp_path / name / "Ann").mkdir(parents=True)
        if name != empty:
            cv2.imwrite(str(tmp_path / name / "Ann/1.png"), np.full((112, 96, 3), 90, np.uint8))
            cv2.imwrite(str(tmp_path / name / "Ann/2.png"), np.full((112, 96, 3), 95, np.uint8))
    result = called(tmp_path, "--model", "pixels")
    assert result.exit_code == 1
    message = f"error: {tmp_path / empty}: holds no image; give a folder of photos or crops\n"
    assert result.output.endswith(message)


def test_the_kit_instead_of_its_lists_is_noticed(kit):
    (kit / "devkit").mkdir()
    (kit / "lists").rename(kit / "devkit/templatelists")
    result = called(kit, "--lists", kit / "devkit")
    assert f"devkit: holds no lists; did you mean {kit}/devkit/templatelists?" in result.output
    result = called(kit, "--lists", kit / "probe_noise.txt")
    assert "probe_noise.txt/facescrub_features_list.json: there is no such list of probes" in result.output
    file = kit / "devkit/templatelists/facescrub_features_list.json"
    result = called(kit, "--lists", kit / "probe_noise.txt", "--probe-list", file)
    assert "probe_noise.txt: is a file; name the folder templatelists of the kit" in result.output


def test_crops_without_a_model_are_told_what_is_missing(kit):
    for feature in [*kit.rglob("*_m.bin")]:
        feature.unlink()
    message = "If it holds photos or crops, give --model"
    assert message in called(kit).output
    shutil.rmtree(kit / "lists")
    message = "is told by --suffix, such as _mine.bin; or give --model, if it holds photos or crops"
    assert message in called(kit).output


def test_sets_are_called_by_the_numbers_of_their_lists(kit):
    for size in (10, 100):
        for number, other in ((1, 4), (2, 7)):
            lists = kit / "lists"
            (lists / f"megaface_features_list.json_{size}_{number}").rename(
                lists / f"megaface_features_list.json_{size}_{other}"
            )
    assert called(kit).exit_code == 0
    names = {f"cmc_facescrub_megaface_m_{size}_{number}.json" for size in (10, 100) for number in (4, 7)}
    assert {file.name for file in (kit / "out/kit/raw").iterdir()} == names
    page = (kit / "out/report.html").read_text()
    assert '<th scope="col">Set 4</th><th scope="col">Set 7</th>' in page


def test_rates_that_no_pair_is_left_for_are_said_on_the_terminal_and_the_page(kit):
    result = called(kit, "--far", "1e-9")
    said = "At the lowest FARs no impostor pair may be accepted, as one of 900 is a FAR of 1.1e-03"
    assert said in result.output
    assert said in (kit / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--flip", "concat", "without --model the features are taken as they are; leave it out, or give"),
        ("--device", "auto", "without --model the features are taken as they are"),
        ("--precision", "auto", "without --model the features are taken as they are"),
        ("--input", "spec.yaml", "without --model the features are taken as they are"),
        ("--workers", "1", "without --model the features are taken as they are"),
        ("--sets", "3", "the lists have their own sets; leave out --sets or --lists"),
    ],
)
def test_an_option_that_nothing_would_use_is_refused_even_at_its_default(kit, option, value, why):
    result = called(kit, option, value)
    assert result.exit_code == 2
    assert f"{option} would change nothing: {why}" in result.output
    assert not (kit / "out").exists()


def test_a_suffix_is_refused_beside_a_model(kit):
    result = called(kit, "--model", "pixels", "--suffix", "_m.bin")
    assert result.exit_code == 2
    assert "--suffix would change nothing: it is of features, and --model makes its own" in result.output
