"""Commands by two processes (gloo): the reports and embeddings of one, said once, and ends that are heard."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO

import cv2
import numpy as np
import pytest
import torch

from eval import ranks, search
from eval.__main__ import SHARED, main
from eval.rows import Reordered
from sphereface_plus import processes as shared
from sphereface_plus.data.formats.embedding_store import BLOCK, INDEX, ROWS
from sphereface_plus.data.formats.embeddings import read_embeddings
from tests.two_processes import in_two_processes

PEOPLE, STRANGERS = 90, BLOCK + 20  # strangers of two blocks, one for each process
ABOUT_THE_RUN = ("created", "command", "seconds", "environment")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """known/ and new/ with a crop of each person, all/ with both, others/ of strangers, and lists of them."""
    root, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    (root / "spec.yaml").write_text("template: small_8x6\nheight: 8\nwidth: 6\n")
    for person in range(PEOPLE):
        face = rng.integers(0, 256, (8, 6, 3))
        for place in ("known", "new"):
            noisy = face + rng.normal(0, 70, face.shape)
            for folder in (root / place, root / "all"):
                write(folder / f"p{person}" / f"{place}{person}.png", noisy)
    for number in range(STRANGERS):
        write(root / "others" / f"{number}.png", rng.integers(0, 256, (8, 6, 3)))
    genuine = [f"known/p{p}/known{p}.png new/p{p}/new{p}.png 1" for p in range(PEOPLE)]
    impostor = [f"others/{n}.png others/{n + 1}.png 0" for n in range(STRANGERS - 1)]
    (root / "pairs.txt").write_text("\n".join(genuine + impostor) + "\n")
    write_ijb(root / "meta")
    (root / "noise.txt").write_text("3.png\n")
    return root


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.clip(pixels, 0, 255).astype(np.uint8))


def write_ijb(meta):
    """Each known crop is a template of one of two galleries, each new one a probe."""
    meta.mkdir()
    faces = [(p, f"known/p{p}/known{p}.png") for p in range(PEOPLE)]
    faces += [(PEOPLE + p, f"new/p{p}/new{p}.png") for p in range(PEOPLE)]
    (meta / "ijbc_face_tid_mid.txt").write_text("".join(f"{file} {t} {t}\n" for t, file in faces))
    half = PEOPLE // 2
    for name, of in (
        ("gallery_G1", faces[:half]),
        ("gallery_G2", faces[half:PEOPLE]),
        ("probe_mixed", faces[PEOPLE:]),
    ):
        rows = [f"{t},{t % PEOPLE},{file},{t}\n" for t, file in of]
        (meta / f"ijbc_1N_{name}.csv").write_text(
            "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID\n" + "".join(rows)
        )


def commands(faces, out) -> dict[str, list[str]]:
    """By the name of what each writes into `out`."""
    model = ["--model", "pixels", "--input", faces / "spec.yaml"]
    known, new, others = (faces / name for name in ("known", "new", "others"))
    found = {
        "verified": ["verify", *model, "--pairs", faces / "pairs.txt", "--images", faces, "--no-thumbnails"],
        "named": ["identify", *model, "--gallery", known, "--probes", new, "--distractors", others],
        "one_set": ["megaface", *model, "--probes", faces / "all", "--distractors", others, "--sets", 2],
        "templates": ["ijb", *model, "--meta", faces / "meta", "--images", faces],
    }
    found["one_set"] += ["--distractor-noise", faces / "noise.txt"]
    found = {name: [*words, "--out", out / name] for name, words in found.items()}
    for name in ("store", "file.npz"):
        found[name] = ["embed", "pixels", others, out / name, "--input", faces / "spec.yaml"]
    return {name: list(map(str, words)) for name, words in found.items()}


def called(lines: list[list[str]], rank: int, world_size: int) -> tuple[int, list[tuple[int, str, str]]]:
    """The rank, and exit code, output and errors of this process, of command lines up to the first that
    fails."""
    search.CHUNK_ROWS, shared.SECONDS_TO_BE_ENDED = 64, 0.0
    here, said = shared.Processes(rank, world_size, torch.device("cpu")), []
    for words in lines:
        sys.argv[1:] = words
        with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
            code = ranks.as_one(here, partial(main, words, prog_name="eval"))
        said.append((code, output.getvalue(), errors.getvalue()))
        if code:
            break
    return rank, said


def files_of(store):
    return {name: (store / name).read_bytes() for name in (INDEX, ROWS)}


def report_of(folder):
    report = json.loads((folder / "report.json").read_text())
    return {name: part for name, part in report.items() if name not in ABOUT_THE_RUN}


@pytest.mark.slow
def test_two_processes_have_the_reports_of_one(faces, tmp_path, run_eval):
    of_one, of_two = (commands(faces, tmp_path / name) for name in ("one", "two"))
    alone = {name: run_eval(*words) for name, words in of_one.items()}
    (tmp_path / "meeting").mkdir()
    said = dict(in_two_processes(partial(called, list(of_two.values())), tmp_path / "meeting"))
    main_process, other = said[0], said[1]
    assert other == [(0, "", "")] * len(of_two)
    for (name, here), (code, output, _) in zip(alone.items(), main_process, strict=True):
        assert (code, output) == (0, here.stdout.replace(str(tmp_path / "one"), str(tmp_path / "two"))), name
    one, two = tmp_path / "one", tmp_path / "two"
    for name in ("verified", "named", "one_set", "templates"):
        assert report_of(two / name) == report_of(one / name)
    assert files_of(two / "store") == files_of(one / "store")
    rows_of_one, rows_of_two = (read_embeddings(place / "file.npz")[1] for place in (one, two))
    np.testing.assert_array_equal(rows_of_two, rows_of_one)


@pytest.mark.slow
def test_a_failure_in_one_process_ends_both_and_nothing_is_lost(faces, tmp_path, repository, run_eval):
    """The second block is the other process's; torchrun, which ends the first, adds its own words."""
    others, names = tmp_path / "others", sorted(path.name for path in (faces / "others").iterdir())
    others.mkdir()
    for name in names:
        os.link(faces / "others" / name, others / name)
    (others / names[-1]).unlink()
    (others / names[-1]).write_bytes(b"no image")
    arguments = ["embed", "pixels", others, tmp_path / "store", "--input", faces / "spec.yaml"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [*torchrun, "-m", "eval", *map(str, arguments)],
        cwd=repository,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr.count(f"error: {others / names[-1]}: ") == result.stderr.count("error: ") == 1
    (others / names[-1]).unlink()
    os.link(faces / "others" / names[-1], others / names[-1])
    run_eval(*arguments)
    run_eval("embed", "pixels", others, tmp_path / "whole", "--input", faces / "spec.yaml")
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("command", sorted(main.commands.keys() - SHARED))
def test_what_is_for_one_process_is_refused_by_torchrun(command, run_eval, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert f"{command} is for one process; leave torchrun out" in run_eval(command, code=2).output


def test_an_array_of_a_file_is_sent_by_its_place(tmp_path):
    rows = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(1000, 100))
    rows[:] = np.arange(100)
    rows.flush()
    work = Reordered(rows, np.arange(10)), rows[3:7]
    packed = ranks._packed(work)
    assert len(packed) < 5000
    whole, part = pickle.loads(packed)
    np.testing.assert_array_equal(whole.rows, rows)
    np.testing.assert_array_equal(part, rows[3:7])


def test_alone_a_function_is_called_as_it_is():
    assert ranks.together(lambda *numbers, **named: (numbers, named), 1, 2, progress=3) == (
        (1, 2),
        {"progress": 3},
    )
