"""docs/pretrained.md, walked: its commands in their order, with drawn people and a small network."""

import re
import shlex
import shutil

import numpy as np
import pytest
import torch

from data_prep.__main__ import main as data_prep
from eval.__main__ import main as evaluate
from sphereface_plus.__main__ import cli
from sphereface_plus.data.crops import SpecError
from sphereface_plus.embedding import Embedder
from sphereface_plus.hub import from_pretrained
from sphereface_plus.training.logs import read_log

PROGRAMS = {"python -m data_prep": data_prep, "python -m eval": evaluate, "sphereface-plus": cli}
# What makes the page's fine-tuning a matter of seconds.
SMALL = [
    "network.name=sphereface4",
    "network.embedding_size=16",
    "train.steps=4",
    "train.batch_size=8",
    "train.precision=fp32",
    "train.device=cpu",
    "optimizer.milestones=[]",
    "finetune.head_steps=2",
]


def commands(page: str) -> list[str]:
    lines = re.sub(r"\\\n\s*", " ", page).splitlines()
    return [
        line.strip() for line in lines if line.startswith("    ") and line.strip().startswith(tuple(PROGRAMS))
    ]


def run(command: str) -> None:
    program = next(name for name in PROGRAMS if command.startswith(name))
    arguments = shlex.split(command.removeprefix(program))
    if arguments[0] == "finetune":
        arguments += [word for setting in SMALL for word in ("--set", setting)]
    try:
        assert PROGRAMS[program].main(arguments, standalone_mode=False) in (None, 0)
    except SystemExit as stop:  # data_prep's and eval's commands end so
        assert not stop.code, command  # noqa: PT017


@pytest.fixture
def place(tmp_path, monkeypatch, repository):
    """A folder with what the page takes for given, but the .caffemodel: photos, pairs, the recipes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(repository / "configs")
    size = "--people 4 --photos 3 --test-people 20 --test-photos 2 --pairs 2"
    run(f"python -m data_prep draw drawn {size} --workers 1")
    (tmp_path / "photos").mkdir()
    shutil.move(tmp_path / "drawn" / "train", tmp_path / "photos" / "mine")
    shutil.move(tmp_path / "drawn" / "test", tmp_path / "photos" / "test")
    shutil.move(tmp_path / "drawn" / "pairs.txt", tmp_path / "pairs.txt")
    return tmp_path


@pytest.mark.slow
def test_the_page_leads_from_a_caffemodel_and_photos_to_a_report(
    place, repository, caffe_bytes, sphereface_layers, capsys
):
    (place / "sphereface_model.caffemodel").write_bytes(caffe_bytes(sphereface_layers(4)))
    page = (repository / "docs" / "pretrained.md").read_text()
    for command in commands(page):
        run(command)
    shown = capsys.readouterr()
    assert "sphereface20.safetensors: sphereface4, 16 dimensions, 14 tensors" in shown.out
    assert "loaded 14 of 15 tensors of sphereface20.safetensors" in shown.err
    assert "renamed: 14, such as conv1_1.weight to network.stages.0.down.weight" in shown.err
    log = [line for line in read_log(place / "runs" / "mine" / "log.jsonl") if "validation/accuracy" in line]
    assert [line["step"] for line in log] == [0, 4]
    for name in ("embeddings.npz", "mine.onnx", "mine.pt2", "mine/README.md", "report/report.json"):
        assert (place / name).is_file(), name

    # The page's Python, and what it says of raw photos.
    keys, embeddings = Embedder.load("runs/mine", device="cpu").embed_folder("crops/test")
    stored = np.load("embeddings.npz")
    assert keys == list(stored["keys"])
    np.testing.assert_allclose(embeddings, stored["embeddings"], rtol=0, atol=1e-5)
    crops = np.zeros((2, 112, 96, 3), np.uint8)
    torch.testing.assert_close(
        from_pretrained("mine", device="cpu")(crops), Embedder.load("runs/mine", device="cpu")(crops)
    )
    with pytest.raises(
        SpecError, match="align the photos: python -m data_prep align PHOTOS CROPS --template"
    ):
        Embedder.load("runs/mine", device="cpu").embed_folder("photos/test")


def test_the_formats_of_the_page_are_those_of_the_command(repository):
    from sphereface_plus.pretrained import FORMATS

    page = (repository / "docs" / "pretrained.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)[: len(FORMATS)] == list(FORMATS)
    (option,) = [option for option in cli.commands["convert"].params if option.name == "format"]
    assert list(option.type.choices) == list(FORMATS)
