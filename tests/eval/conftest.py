"""A small LFW: ten folds of pairs, and embeddings that tell people apart more or less well."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from eval.__main__ import main
from sphereface_plus.data.formats.embeddings import write_embeddings
from sphereface_plus.data.formats.pairs import read_pairs

FOLDS, PAIRS = 10, 6


@pytest.fixture(scope="session")
def lfw_lists(tmp_path_factory) -> Path:
    """A folder with pairs.txt (view 2: 10 folds of 6 + 6) and pairsDevTest.txt (view 1: 40 + 40)."""
    folder = tmp_path_factory.mktemp("lfw")

    def lines(fold: int, count: int) -> list[str]:
        names = [f"Person_{fold}{letter}" for letter in "ABCDEFGH"]
        genuine = [f"{names[k % 8]}\t{k // 8 + 1}\t{k // 8 + 2}" for k in range(count)]
        impostor = [f"{names[k % 8]}\t{k // 8 + 1}\t{names[(k + 1) % 8]}\t{k // 8 + 1}" for k in range(count)]
        return genuine + impostor

    view2 = [f"{FOLDS}\t{PAIRS}", *(line for fold in range(FOLDS) for line in lines(fold, PAIRS))]
    (folder / "pairs.txt").write_text("\n".join(view2) + "\n")
    (folder / "pairsDevTest.txt").write_text("\n".join(["40", *lines(0, 40)]) + "\n")
    return folder


@pytest.fixture(scope="session")
def embeddings_file(tmp_path_factory):
    """A function that writes an .npz of embeddings for a pairs list: people's directions plus noise."""

    def write(pairs: Path, name: str = "model", noise: float = 0.8, seed: int = 0, **meta) -> Path:
        keys = read_pairs(pairs).photos
        generator = np.random.default_rng(seed)
        people = {key.split("/")[0] for key in keys}
        directions = {person: np.random.default_rng(hash_of(person)).normal(size=16) for person in people}
        embeddings = np.stack(
            [directions[key.split("/")[0]] + noise * generator.normal(size=16) for key in keys]
        )
        path = tmp_path_factory.mktemp("embeddings") / f"{name}.npz"
        write_embeddings(path, keys, embeddings.astype(np.float32), meta)
        return path

    return write


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-8:], "big")


@pytest.fixture(scope="session")
def run_eval():
    """A function that runs `python -m eval` in this process and returns click's result."""

    def run(*arguments: object, code: int = 0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    return run


@pytest.fixture(scope="session")
def make_crop_pairs():
    """Twelve people of two crops each, a person's crops alike; a list of 12 + 12 pairs of them."""

    def make(folder: Path) -> tuple[Path, Path]:
        generator = np.random.default_rng(0)
        for person in range(12):
            face = generator.integers(0, 256, (14, 12, 3))
            for number in range(2):
                noisy = np.clip(face + generator.normal(0, 60, face.shape), 0, 255).astype(np.uint8)
                path = folder / "crops" / f"p{person}" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), cv2.resize(noisy, (96, 112)))
        pairs = folder / "pairs.txt"
        lines = [f"p{p}/0.png p{p}/1.png 1\np{p}/0.png p{(p + 1) % 12}/1.png 0" for p in range(12)]
        pairs.write_text("\n".join(lines) + "\n")
        return folder / "crops", pairs

    return make


@pytest.fixture
def crop_pairs(make_crop_pairs, tmp_path):
    return make_crop_pairs(tmp_path)


@pytest.fixture
def open_page(tmp_path):
    """A function from a page's path to (the document as the browser built it, lines on its console)."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium found; apt-get install chromium to run this test")
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever the browser itself would fetch
    ]

    def open_it(page) -> tuple[str, list[str]]:
        command = [
            browser,
            *quiet,
            f"--user-data-dir={tmp_path / 'browser'}",
            "--enable-logging=stderr",
            "--dump-dom",
            page.resolve().as_uri(),
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return result.stdout, [line for line in result.stderr.splitlines() if "CONSOLE" in line]

    return open_it
