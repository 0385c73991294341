"""`python -m eval ijb` on a small IJB-C: the planted answer, each form of features, and every refusal."""

import shutil

import numpy as np
import pytest

from eval.threshold_words import threshold_words
from sphereface_plus.data.formats.embeddings import write_embeddings
from tests.eval.ijb.calls import called, change, report_of


def test_the_planted_answer_is_found(kit):
    result = called(kit)
    assert result.exit_code == 0, result.output
    report = report_of(kit)
    assert (report["title"], report["faces"], report["template_count"]) == ("IJB-C", 3 * 162, 162)
    assert (report["media"], report["subjects"]) == (2 * 162, 42)
    found = report["identification"]
    assert (found["probes"], found["probe_subjects"], found["in_neither"]) == (122, 42, 2)
    # Of 60 searches with a mate in each gallery three, and one, show somebody else of that gallery.
    for gallery, swapped in zip(found["galleries"], (3, 1), strict=True):
        assert (gallery["mated"], gallery["open_set"]["nonmated"]) == (60, 62)
        assert gallery["ranks"][0]["share"] == pytest.approx(1 - swapped / 60)
        assert [point["fnir"] for point in gallery["open_set"]["points"]] == pytest.approx([swapped / 60] * 3)
    assert found["mean"]["ranks"][0]["share"] == pytest.approx(1 - 2 / 60)
    assert found["mean"]["fnir"][1]["share"] == pytest.approx(2 / 60)
    # Pairs with those whom the swapped probes show are not in the list: all other impostors are far.
    pairs = report["verification"]
    assert (pairs["genuine"], pairs["impostor"]) == (120, 122 * 40 - 120 - 4 * 3)
    for point in pairs["tar_at_far"][:4]:
        assert point["tar"] == pytest.approx(1 - 4 / 120)
        low, high = point["interval"]
        assert low < point["tar"] < high
    assert pairs["contradictions"] == 0
    assert pairs["no_intervals"] is None
    assert "  TAR at FAR 1e-06:  96.67 % (95 % by subject" in result.output
    assert "(not resolved by so few)" in result.output
    page = (kit / "out/report.html").read_text()
    points = [*pairs["tar_at_far"], *(at for one in found["galleries"] for at in one["open_set"]["points"])]
    for point in points:
        assert f"; {threshold_words(point)}\n" in result.output
        for ends in (point["threshold_cosine_interval"], point["threshold_l2_interval"]):
            assert all(f"{end:.4f}" in page for end in ends if end is not None)
    assert "G1.csv: 20 subjects; 60 searches with a mate, 62 searches without a mate" in result.output
    assert "note: the subjects of 2 probes are in neither gallery" in result.output
    assert "mean of both galleries\n  rank-1:  96.67 %" in result.output


def test_features_by_name_give_the_same_numbers_in_any_order(kit):
    assert called(kit).exit_code == 0
    names = [line.split()[0] for line in (kit / "meta/ijbc_face_tid_mid.txt").read_text().splitlines()]
    rows, order = np.load(kit / "features.npy"), np.random.default_rng(5).permutation(len(names))
    keys = [names[place].removesuffix(".jpg") for place in order]
    write_embeddings(kit / "named.npz", keys, rows[order], {"flip": "sum"})
    result = called(kit, features="named.npz", out="named")
    assert result.exit_code == 0, result.output
    for part in ("verification", "identification"):
        assert report_of(kit, "named")[part] == report_of(kit)[part]
    assert report_of(kit, "named")["model"]["flip"] == "sum"
    write_embeddings(kit / "few.npz", keys[1:], rows[order[1:]], {})
    result = called(kit, features="few.npz", out="few")
    assert f"has no embedding of 1 of the 486 faces of ijbc_face_tid_mid.txt ({keys[0]}.jpg)" in result.output


def test_each_way_to_make_templates_is_named_in_the_report(kit):
    first = called(kit, "--templates", "faces", "--weight", "both")
    assert first.exit_code == 0, first.output
    assert "weighted by the detector's score, and by the length" in first.output
    assert report_of(kit)["templates"]["kind"] == "faces"
    assert "ijbc_name_5pts_score.txt" in [file["name"] for file in report_of(kit)["files"]]
    again = called(kit, "--templates", "media", "--weight", "none")
    assert again.exit_code == 1
    assert "templates faces -> media, weight both -> none; name another folder" in again.output


def test_one_protocol_alone_is_measured(kit):
    searches = list((kit / "meta").glob("*_1N_*"))
    (kit / "aside").mkdir()
    for file in searches:
        shutil.move(file, kit / "aside")
    result = called(kit)
    assert result.exit_code == 0, result.output
    assert report_of(kit)["identification"] is None
    assert report_of(kit)["verification"]["tar_at_far"][0]["interval"] is None
    page = (kit / "out/report.html").read_text()
    assert "Identification" not in page
    why = "TARs have no intervals, and no tables by group: without the lists of galleries and probes"
    assert f"note: {why}" in result.output
    assert why in page
    for file in searches:
        shutil.move(kit / "aside" / file.name, file)
    (kit / "meta/ijbc_template_pair_label.txt").unlink()
    assert called(kit, out="second").exit_code == 0
    assert report_of(kit, "second")["verification"] is None
    assert "Verification" not in (kit / "second/report.html").read_text()


def test_a_genuine_pair_of_no_subject_is_why_there_are_no_intervals(kit):
    pairs = (kit / "meta/ijbc_template_pair_label.txt").read_text().splitlines()
    enrolled = next(line.split()[0] for line in pairs if line.endswith(" 1"))
    nobodys = sum(line.startswith(f"{enrolled} ") and line.endswith(" 1") for line in pairs)
    gallery = kit / "meta/ijbc_1N_gallery_G1.csv"
    kept = [line for line in gallery.read_text().splitlines() if not line.startswith(f"{enrolled},")]
    gallery.write_text("\n".join(kept) + "\n")
    result = called(kit)
    why = (
        "TARs have no intervals, and no tables by group: the lists of galleries and probes name no subject "
        f"for the first template of {nobodys} pairs labelled genuine"
    )
    assert f"note: {why}\n" in result.output
    assert report_of(kit)["verification"]["no_intervals"] == why
    assert f"{why}.</p>" in (kit / "out/report.html").read_text()


def test_nists_pairs_without_labels_are_labelled_by_the_subjects(kit):
    assert called(kit).exit_code == 0
    labelled = kit / "meta/ijbc_template_pair_label.txt"
    pairs = [line.split()[:2] for line in labelled.read_text().splitlines()]
    labelled.unlink()
    (kit / "meta/ijbc_11_G1_G2_matches.csv").write_text("".join(f"{a},{b}\n" for a, b in pairs))
    result = called(kit, out="second")
    assert result.exit_code == 0, result.output
    assert report_of(kit, "second")["verification"] == report_of(kit)["verification"]
    for file in (kit / "meta").glob("*_1N_*"):
        file.unlink()
    assert "has no labels, and the subjects of its templates are not known" in called(kit, out="third").output


def test_labels_that_the_subjects_contradict_are_counted(kit):
    file = kit / "meta/ijbc_template_pair_label.txt"
    lines = file.read_text().splitlines()
    lines[7] = lines[7][:-1] + str(1 - int(lines[7][-1]))
    file.write_text("\n".join(lines))
    assert "warning: 1 labels of pairs contradict the subjects" in called(kit).output
    assert "contradict the subjects" in (kit / "out/report.html").read_text()


def of_rows(edit):
    def apply(kit):
        np.save(kit / "features.npy", edit(np.load(kit / "features.npy")))

    return apply


def with_nan(rows):
    rows[[3, 5], 2] = np.nan
    return rows


PAIRS, FACES = "meta/ijbc_template_pair_label.txt", "meta/ijbc_face_tid_mid.txt"
G1, G2 = "meta/ijbc_1N_gallery_G1.csv", "meta/ijbc_1N_gallery_G2.csv"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            of_rows(lambda rows: rows[:-1]),
            "has 485 rows of 64 numbers for the 486 faces of ijbc_face",
        ),
        (of_rows(lambda rows: rows.astype(int)), "has to hold floating-point numbers, a row a face"),
        (of_rows(lambda rows: rows[0]), "has to hold floating-point numbers, a row a face"),
        (of_rows(with_nan), "features.npy: 2 of the 486 embeddings are not finite, or 0"),
        (lambda kit: (kit / "features.npy").write_bytes(b"no"), "features.npy: cannot be read"),
        (
            lambda kit: change(kit / PAIRS, "\n", "\n103 7 0\n"),
            "1 of its templates have no face in the",
        ),
        (lambda kit: change(kit / G1, "\n", "\n7,1000,a.jpg,1\n"), "G1.csv: 1 of its templates have no face"),
        (
            lambda kit: change(kit / G2, "\n", "\n103,1000,a.jpg,1\n"),
            "1 of its subjects are in ijbc_1N_galle",
        ),
        (
            lambda kit: change(kit / G2, "\n", "\n103,1025,a.jpg,1\n"),
            "template 103 is of another subject",
        ),
        (lambda kit: (kit / G1).unlink(), "lacks ijbc_1N_gallery_G1.csv, which the search needs"),
        (
            lambda kit: (kit / PAIRS).write_text("103 106 0\n"),
            "holds impostor pairs only; both kinds",
        ),
        (lambda kit: (kit / FACES).unlink(), "holds no list of faces"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(kit, harm, message):
    harm(kit)
    result = called(kit)
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert result.output.count("\n") <= 2
    assert not (kit / "out/report.json").exists()


def test_options_that_do_not_go_together_are_refused(kit):
    (kit / "meta/ijbc_name_5pts_score.txt").unlink()
    assert "holds no scores of the detector" in called(kit, "--weight", "detector").output
    assert "--scores is read with --weight" in called(kit, "--scores", kit / "features.npy").output
    assert "give either --features, or --model" in called(kit, "--model", "pixels", "--images", kit).output
    assert "give either --features, or --model" in called(kit, features=None).output
    assert "--model and --images go together" in called(kit, "--model", "pixels", features=None).output


def test_crops_are_embedded_by_a_model(kit):
    """A shade of grey noise for each subject's faces, for the pixels; an image in two templates once."""
    cv2 = pytest.importorskip("cv2")
    meta, rng = kit / "meta", np.random.default_rng(0)
    for file in meta.iterdir():
        file.unlink()
    faces = [(f"{subject}_{number}.png", 10 * subject + number) for subject in range(6) for number in (1, 2)]
    for name, template in faces:
        noise = np.random.default_rng(template // 10).integers(0, 256, (112, 96, 3))
        crop = np.clip(noise + rng.normal(0, 40, noise.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(kit / name), crop)
    faces.append((faces[0][0], 99))
    (meta / "ijbb_face_tid_mid.txt").write_text("".join(f"{name} {t} 1\n" for name, t in faces))
    pairs = [f"{10 * a + 1} {10 * b + 2} {int(a == b)}\n" for a in range(6) for b in range(6)]
    (meta / "ijbb_template_pair_label.txt").write_text("".join(pairs) + "1 99 1\n")
    (kit / "crops").mkdir()
    for file in kit.glob("*.png"):
        shutil.move(file, kit / "crops")
    result = called(kit, "--model", "pixels", "--images", kit / "crops", features=None)
    assert result.exit_code == 0, result.output
    report = report_of(kit)
    assert (report["title"], report["faces"], report["template_count"]) == ("IJB-B", 13, 13)
    assert (report["model"]["flip"], report["model"]["precision"]) == ("sum", "fp32")
    assert '<th scope="row">Embedded in</th><td>fp32</td>' in (kit / "out/report.html").read_text()
    again = ("--model", "pixels", "--images", kit / "crops", "--precision", "auto")
    assert "this would be another: precision auto is new" in called(kit, *again, features=None).output
    assert [point["tar"] for point in report["verification"]["tar_at_far"]] == [1] * 6


@pytest.mark.parametrize(
    ("option", "value"),
    [("--flip", "sum"), ("--device", "cpu"), ("--precision", "fp32"), ("--input", "spec.yaml")],
)
def test_an_option_of_a_model_is_refused_beside_features(kit, option, value):
    result = called(kit, option, value)
    assert result.exit_code == 2
    assert f"{option} would change nothing: --features are taken as they are; leave it out" in result.output
    assert not (kit / "out").exists()
