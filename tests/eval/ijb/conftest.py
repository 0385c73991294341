"""A small IJB-C with a planted answer: its lists as insightface and NIST write them, and its features."""

import numpy as np
import pytest

SUBJECTS, PROBES = 40, 3  # half of the subjects in each gallery, so many probes of each
SWAPPED = (0, 1, 2, 25)
"""Subjects whose first probe shows another subject of their gallery: it is not found, and nobody can."""
NEITHER = 2
"""Subjects with a probe who are in neither gallery."""
NIST = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID\n"


@pytest.fixture
def kit(write_kit, tmp_path):
    """A folder with meta/ and features.npy. Subjects are far from each other, their faces all but equal."""
    return write_kit(tmp_path)


@pytest.fixture(scope="session")
def write_kit():
    """write_kit(folder) -> the folder, with a kit in it."""
    return _write_kit


def _write_kit(folder):
    rng = np.random.default_rng(0)
    meta = folder / "meta"
    meta.mkdir()
    directions = np.linalg.qr(rng.standard_normal((64, 64)))[0]
    faces, rows, csvs, template = [], [], {"G1": [], "G2": [], "probe": []}, 100

    def add(subject: int, shows: int, kind: str) -> int:
        """A template of two media, three faces."""
        nonlocal template
        template += 3
        for media in (template * 10, template * 10, template * 10 + 1):
            faces.append((f"{len(faces) + 1}.jpg", template, media))
            rows.append(directions[shows] + 0.01 * rng.standard_normal(64))
            csvs[kind].append(f"{template},{1000 + subject},img/{len(faces)}.jpg,{media}\n")
        return template

    enrolled = [
        add(subject, subject, "G1" if subject < SUBJECTS // 2 else "G2") for subject in range(SUBJECTS)
    ]
    probes: list[tuple[int, int]] = []
    for subject in range(SUBJECTS + NEITHER):
        for number in range(PROBES if subject < SUBJECTS else 1):
            shows = subject + 5 if number == 0 and subject in SWAPPED else subject
            probes.append((subject, add(subject, shows, "probe")))
    pairs = [
        f"{enrolled[gallery]} {probe} {int(gallery == subject)}\n"
        for subject, probe in probes
        for gallery in range(SUBJECTS)
        if gallery != subject + 5 or subject not in SWAPPED
    ]
    order = rng.permutation(len(faces))  # faces of a template need not be neighbours
    lines = [faces[place] for place in order]
    np.save(folder / "features.npy", np.array(rows, dtype=np.float32)[order])
    (meta / "ijbc_face_tid_mid.txt").write_text("".join(f"{n} {t} {m}\n" for n, t, m in lines))
    (meta / "ijbc_name_5pts_score.txt").write_text("".join(f"{n} {'1.5 ' * 10}0.9\n" for n, _, _ in lines))
    (meta / "ijbc_template_pair_label.txt").write_text("".join(pairs))
    for kind, name in (("G1", "gallery_G1"), ("G2", "gallery_G2"), ("probe", "probe_mixed")):
        (meta / f"ijbc_1N_{name}.csv").write_text(NIST + "".join(csvs[kind]))
    return folder
