"""IJB-C at full size, on synthetic features whose answer is planted, from the files on.

    PYTHONPATH=. python tests/benchmarks/ijbc_full_size.py FOLDER [--dimensions 512]

As many faces, templates, subjects and pairs as IJB-C has. FOLDER gets its lists and features (1.3 GB), and
the report. A face is its subject's direction with noise. Every twentieth probe shows another subject of its
own gallery, and no pair of the list is of that probe and whom it shows. So rank-1 is known in each gallery,
FNIR at an FPIR of 1e-2 and TAR at a FAR of 1e-6 and 1e-5; the command has to find exactly those.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

FACES, GALLERIES, PROBES, PAIRS, GENUINE = 469_375, (1_772, 1_759), 19_593, 15_658_489, 19_557
EVERY, NOISE = 20, 1.2
HEADER = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID\n"


def planted(folder, dimensions):
    """Writes lists and features; returns which probes are swapped (P,), and the probes' subjects."""
    rng = np.random.default_rng(0)
    meta, enrolled = folder / "meta", sum(GALLERIES)
    meta.mkdir(parents=True, exist_ok=True)
    probe_subject = np.append(np.arange(enrolled), rng.integers(0, enrolled, PROBES - enrolled))
    swapped = np.arange(PROBES) % EVERY == 3
    begin, size = np.where(probe_subject < GALLERIES[0], 0, GALLERIES[0]), np.array(GALLERIES)
    other = begin + (probe_subject - begin + 7) % size[(probe_subject >= GALLERIES[0]).astype(int)]
    shown = np.append(np.arange(enrolled), np.where(swapped, other, probe_subject))
    subject = np.append(np.arange(enrolled), probe_subject)
    number = 1 + np.arange(len(subject)) * 8  # of the templates
    more = rng.integers(0, len(subject), FACES - len(subject))
    template = np.sort(np.append(np.arange(len(subject)), more))
    media = 6 * template + rng.integers(0, 6, FACES)
    with (meta / "ijbc_face_tid_mid.txt").open("w") as file:
        rows = zip(range(1, FACES + 1), number[template].tolist(), media.tolist(), strict=True)
        file.writelines(map("%d.jpg %d %d\n".__mod__, rows))
    centres = rng.standard_normal((enrolled, dimensions), dtype=np.float32)
    features = np.lib.format.open_memmap(folder / "ijbc.npy", "w+", np.float32, (FACES, dimensions))
    for start in range(0, FACES, 20_000):
        part = shown[template[start : start + 20_000]]
        features[start : start + 20_000] = centres[part]
        features[start : start + 20_000] += NOISE * rng.standard_normal((len(part), dimensions), np.float32)
    features.flush()
    names = ("gallery_G1", "gallery_G2", "probe_mixed")
    for name, rows in zip(names, np.split(np.arange(len(subject)), np.cumsum(GALLERIES)), strict=True):
        lines = (f"{number[row]},{subject[row]},img/x.jpg,1\n" for row in rows)
        (meta / f"ijbc_1N_{name}.csv").write_text(HEADER + "".join(lines))
    probe = np.append(np.arange(GENUINE), rng.integers(0, PROBES, PAIRS - GENUINE))
    first = np.append(probe_subject[:GENUINE], rng.integers(0, enrolled, PAIRS - GENUINE))
    place = np.arange(PAIRS) >= GENUINE
    for _ in range(100):  # an impostor of neither the probe's subject nor whom it shows
        wrong = place & ((first == probe_subject[probe]) | (first == shown[enrolled + probe]))
        if not wrong.any():
            break
        first[wrong] = rng.integers(0, enrolled, wrong.sum())
    label = (first == probe_subject[probe]).astype(int)
    with (meta / "ijbc_template_pair_label.txt").open("w") as file:
        columns = (number[first].tolist(), number[enrolled + probe].tolist(), label.tolist())
        lines = map("%d %d %d\n".__mod__, zip(*columns, strict=True))
        while text := "".join(itertools.islice(lines, 1_000_000)):
            file.write(text)
    return swapped, probe_subject


def main():
    parser = argparse.ArgumentParser(description="IJB-C at full size, its answer planted.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dimensions", type=int, default=512)
    arguments = parser.parse_args()
    folder = arguments.folder
    swapped, probe_subject = planted(folder, arguments.dimensions)
    command = [sys.executable, "-m", "eval", "ijb", "--meta", folder / "meta"]
    command += ["--features", folder / "ijbc.npy", "--out", folder / "report"]
    start = time.monotonic()
    subprocess.run([str(word) for word in command], check=True)
    seconds, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads((folder / "report/report.json").read_text())
    for gallery, inside in zip(
        report["identification"]["galleries"],
        (probe_subject < GALLERIES[0], probe_subject >= GALLERIES[0]),
        strict=True,
    ):
        share = swapped[inside].mean()
        fnir = next(p["fnir"] for p in gallery["open_set"]["points"] if p["fpir"] == 1e-2)
        found = gallery["ranks"][0]["share"]
        print(f"{gallery['name']}: rank-1 {found:.6f}, FNIR {fnir:.6f}, planted {share:.6f}")
        assert abs(found - (1 - share)) < 1e-12
        assert abs(fnir - share) < 1e-12
    for point in report["verification"]["tar_at_far"][:2]:
        expected = 1 - swapped[:GENUINE].mean()
        print(f"TAR at FAR {point['far']:.0e}: {point['tar']:.6f}, planted {expected:.6f}")
        assert abs(point["tar"] - expected) < 1e-12
    print(
        f"{seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processors, of the former "
        f"{report['seconds']:.0f} s from features to numbers; at most {used.ru_maxrss / 2**20:.2f} GiB, "
        "mapped features included"
    )


if __name__ == "__main__":
    main()
