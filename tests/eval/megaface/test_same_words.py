"""Copies among probes and distractors are told."""

import json
import shutil

from tests.eval.megaface.calls import called, report_of

NUM_DISTRACTORS = 120


def test_a_distractor_that_is_a_probes_image_is_noticed(kit):
    shutil.copy(kit / "probes/Ann/Ann_1.png_m.bin", kit / "distractors/003/3@N00/3_0.jpg_m.bin")
    result = called(kit)
    assert (
        "warning: the images of 1 probe are among the distractors, too (Ann/Ann_1, 003/3@N00/3_0):"
        in result.output
    )
    assert report_of(kit)["same_image"] == {"raw": [["Ann/Ann_1", "003/3@N00/3_0"]]}
    (kit / "noise.txt").write_text("003/3@N00/3_0.jpg\n")
    result = called(kit, "--distractor-noise", kit / "noise.txt", out="cleaned")
    assert "cannot be found" not in result.output
    said = "raw: the images of 1 probe are among the distractors, too; the noise lists name them, and the"
    assert f"note: {said} cleaned numbers leave them out\n" in result.output
    page = (kit / "cleaned/report.html").read_text()
    assert "Same images" not in page
    assert said[1:] in page


def test_a_copy_among_the_probes_is_noticed(kit):
    shutil.copy(kit / "probes/Ann/Ann_1.png_m.bin", kit / "probes/Ann/Ann_3.png_m.bin")
    result = called(kit)
    assert (
        "warning: 1 pair of mates must be the same image (Ann/Ann_1, Ann/Ann_3): copies among the probes "
        "raise rank-1 and TAR\n" in result.output
    )
    assert report_of(kit)["same_probes"] == {"raw": [["Ann/Ann_1", "Ann/Ann_3"]]}
    said = "1 pair of mates must be the same image, which raises rank-1 and TAR"
    assert f"{said}: Ann/Ann_1 and Ann/Ann_3." in (kit / "out/report.html").read_text()
    assert "Ann_1" not in (kit / "out/public/report.html").read_text()


def test_a_copy_in_a_later_set_is_noticed(kit):
    first, late = (
        json.loads((kit / f"lists/megaface_features_list.json_100_{number}").read_text())["path"]
        for number in (1, 2)
    )
    only = next(path for path in late if path not in first)
    shutil.copy(kit / "probes/Ann/Ann_1.png_m.bin", kit / f"distractors/{only}_m.bin")
    assert called(kit).exit_code == 0
    assert ["Ann/Ann_1", only.removesuffix(".jpg")] in report_of(kit)["same_image"]["raw"]
