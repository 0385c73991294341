"""Crops into a store: stopped and continued, by one process or two, always with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from sphereface_plus.__main__ import cli
from sphereface_plus.commands.embed_into import embed_into
from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import CropsError
from sphereface_plus.data.formats.embedding_store import BLOCK, ROWS, open_embeddings
from sphereface_plus.data.formats.embeddings import read_embeddings
from sphereface_plus.embedding import Embedder, embed_files
from tests.two_processes import in_two_processes

SPEC = InputSpec(template="small_8x6", height=8, width=6)
COUNT = BLOCK + 30


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Path:
    """identity/image folders of more crops than a block holds."""
    return write_crops(tmp_path_factory.mktemp("crops"), COUNT)


def write_crops(folder: Path, count: int) -> Path:
    """So many crops of noise, and an input spec that fits them."""
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"p{number // 100}" / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), random.integers(0, 256, (8, 6, 3), dtype=np.uint8))
    (folder / "spec.yaml").write_text("template: small_8x6\nheight: 8\nwidth: 6\n")
    return folder


def listed(crops: Path) -> tuple[list[str], list[str]]:
    paths = sorted(crops.rglob("*.png"))
    return [path.relative_to(crops).with_suffix("").as_posix() for path in paths], list(map(str, paths))


def embedder(stop_at: int = 10**9) -> Embedder:
    """Pixels, and Ctrl-C once so many crops were embedded."""
    seen = 0

    def network(batch: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(batch)
        if seen > stop_at:
            raise KeyboardInterrupt
        return batch.flatten(1)

    return Embedder("onnx", SPEC, "model", network, torch.device("cpu"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def test_the_rows_are_those_of_embed_files(crops, tmp_path):
    keys, paths = listed(crops)
    embed_into(tmp_path / "s", embedder(), keys, paths, "sum", batch_size=64)
    stored = open_embeddings(tmp_path / "s", check=True)
    assert stored.keys == keys
    assert stored.meta == embedder().meta("sum")
    np.testing.assert_array_equal(stored.rows, embed_files(embedder(), paths, flip="sum"))


@pytest.mark.parametrize("stop_at", [0, BLOCK, BLOCK + 10])
def test_what_ctrl_c_stopped_goes_on_to_the_same_bytes(crops, tmp_path, stop_at):
    keys, paths = listed(crops)
    embed_into(tmp_path / "whole", embedder(), keys, paths)
    with pytest.raises(KeyboardInterrupt):
        embed_into(tmp_path / "parts", embedder(stop_at), keys, paths)
    embed_into(tmp_path / "parts", embedder(COUNT - (BLOCK if stop_at else 0)), keys, paths)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    embed_into(tmp_path / "parts", embedder(0), keys, paths)  # nothing is left to do
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_crop_that_is_missing_is_named_and_what_was_done_stays(crops, tmp_path):
    keys, paths = listed(crops)
    with pytest.raises(CropsError, match=r"nowhere\.png: the crop cannot be read"):
        embed_into(tmp_path / "s", embedder(), [*keys, "z"], [*paths, str(tmp_path / "nowhere.png")])
    assert (tmp_path / "s" / ROWS).stat().st_size == BLOCK * 8 * 6 * 3 * 4


def words(crops: Path, out: Path) -> list[str]:
    return ["embed", "pixels", str(crops), str(out), "--input", str(crops / "spec.yaml")]


def embed(crops: Path, out: Path) -> str:
    """The command in this process, and what it says."""
    result = CliRunner().invoke(cli, words(crops, out))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("out", [["out.npz"], ["out"], ["out", "--shard", "1/2"]])
def test_two_crops_that_are_one_key_in_a_store_are_refused_and_none_gets_the_others_row(tmp_path, out):
    (tmp_path / "listed").mkdir()
    for folder in (tmp_path, tmp_path / "listed"):
        write_crops(folder, 2)
    listing = tmp_path / "listed" / "list.txt"
    listing.write_text("p0/0000.png 0\np0/0001.png 0\n../p0/0001.png 1\n")
    call = ["embed", "pixels", str(listing), str(tmp_path / out[0]), *out[1:]]
    result = CliRunner().invoke(cli, [*call, "--input", str(tmp_path / "spec.yaml")])
    assert result.exit_code == 1
    assert "the key 'p0/0001' is there twice; keys must differ" in result.output
    assert not (tmp_path / out[0]).exists()


def embed_as_one_of(crops: Path, outs: list[Path], rank: int, world_size: int) -> list[str]:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world_size)}  # as torchrun does
    return [embed(crops, out) for out in outs]


@pytest.mark.slow
def test_two_processes_make_the_bytes_of_one(crops, tmp_path):
    embed(crops, tmp_path / "one")
    (tmp_path / "meeting").mkdir()
    outs = [tmp_path / "two", tmp_path / "two.npz"]
    said = in_two_processes(partial(embed_as_one_of, crops, outs), tmp_path / "meeting")
    assert sorted(text.count("542 embeddings of 48 numbers") for texts in said for text in texts) == [
        0,
        0,
        1,
        1,
    ]
    assert ["", ""] in said
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    keys, rows, _ = read_embeddings(tmp_path / "two.npz")
    assert keys == open_embeddings(tmp_path / "one").keys
    np.testing.assert_array_equal(rows, open_embeddings(tmp_path / "one").rows)
    assert [path.name for path in tmp_path.glob("*unfinished*")] == []


@pytest.mark.slow
def test_a_killed_command_is_continued(crops, tmp_path, repository):
    """Wherever SIGKILL comes, the same command ends with the same bytes."""
    embed(crops, tmp_path / "whole")
    command = [sys.executable, "-m", "sphereface_plus", *words(crops, tmp_path / "killed")]
    process = subprocess.Popen(command, cwd=repository)
    while not (tmp_path / "killed" / "done.0.jsonl").exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    embed(crops, tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
