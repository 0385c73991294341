"""Every MODEL argument of every command, and every kind of file that people give it."""

import hashlib
import warnings
import zipfile

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from click.testing import CliRunner
from onnx import TensorProto, helper
from safetensors.torch import save_file

from data_prep.__main__ import main as data_prep
from eval.__main__ import main as evaluate
from sphereface_plus import checkpoint, config, hub, model_files
from sphereface_plus.__main__ import cli
from sphereface_plus.data.formats.embeddings import write_embeddings
from sphereface_plus.embedding import Embedder
from sphereface_plus.losses import build_loss
from sphereface_plus.model_files import CheckpointError, model_kind_of
from sphereface_plus.networks import build_network

SIZE = 16
RECIPE = {
    "name": "tiny",
    "data": {"path": "crops"},
    "network": {
        "name": "sphereface4",
        "embedding_size": 8,
        "input": {"template": "test_16x16", "height": SIZE, "width": SIZE},
    },
    "loss": {"kind": "softmax"},
    "optimizer": {"learning_rate": 0.01},
    "train": {"steps": 1, "batch_size": 4, "device": "cpu"},
}

TAKEN = "taken"
OTHER = "is not a model; a run folder, checkpoint (.pt) or weight file (.safetensors) is needed here"
DAMAGED = "is damaged, cut short or no checkpoint ("
CONVERT = "have to be converted: sphereface-plus convert"
# What each kind of file is called by the commands that do not take it.
KINDS = {
    "run": TAKEN,
    "run/checkpoints/last.pt": TAKEN,
    "weights.safetensors": TAKEN,
    "hub": TAKEN,
    "net.onnx": "is an ONNX file, which `sphereface-plus embed`, `python -m eval` and the doctor take",
    "embeddings.npz": "holds embeddings, which `python -m eval` takes as --model",
    "net.pt2": "is a program of torch.export (.pt2), for torch.export.load in other programs",
    "script.pt": "is a TorchScript program, which is not run here",
    "net.caffemodel": "is of Caffe; convert it: sphereface-plus convert",
    "foreign.pth": CONVERT,
    "old.pth": "is a file of torch before 1.6, and not one of ours; weights of another project have to",
    "foreign.safetensors": "has to be converted: sphereface-plus convert",
    "photo.jpg": OTHER,
    "recipe.yaml": OTHER,
    "empty.pt": DAMAGED,
    "archive.zip": "is an archive that holds no model",
    "set.rec": OTHER,
    "crops": "is a folder of crops, not a run folder, there is no checkpoints/last.pt",
    "report": "is a folder of results, not a run folder, there is no checkpoints/last.pt",
    "begun": "this run has saved no checkpoint yet, there is no checkpoints/last.pt",
    "nowhere": "there is no such run folder or checkpoint",
}
ONNX, EMBEDDINGS = {"net.onnx"}, {"embeddings.npz"}
# Each MODEL argument: what calls it, and which kinds it takes beside runs, checkpoints and weight files.
COMMANDS = {
    "show": (cli, ["show", "{model}"], set()),
    "export": (cli, ["export", "{model}", "{out}.safetensors"], set()),
    "embed": (cli, ["embed", "{model}", "{crops}", "{out}.npz"], ONNX),
    "finetune": (
        cli,
        ["finetune", "{recipe}", "--init-from", "{model}", "--reset-head", "--out", "{out}"],
        set(),
    ),
    "eval verify": (
        evaluate,
        ["verify", "--model", "{model}", "--pairs", "{pairs}", "--images", "{crops}", "--out", "{out}"],
        ONNX | EMBEDDINGS,
    ),
    "doctor": (data_prep, ["doctor", "{crops}", "{out}", "--model", "{model}"], ONNX),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with one file or folder of each kind, a set of crops, pairs of them and a recipe."""
    folder = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(0)
    lines = []
    for person in range(10):
        (folder / "set" / f"p{person}").mkdir(parents=True)
        for image in range(2):
            crop = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
            cv2.imwrite(str(folder / "set" / f"p{person}" / f"{image}.png"), crop)
        lines += [f"p{person}/0 p{person}/1 1", f"p{person}/0 p{(person + 1) % 10}/1 0"]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    recipe = RECIPE | {"data": {"path": str(folder / "set")}}
    settings = config.from_dict(recipe)
    network = build_network(settings.network).eval()
    loss = build_loss(settings.loss, num_identities=10, embedding_size=8)
    checkpoint.save(
        folder / "run" / "checkpoints" / "last.pt",
        {
            "config": config.to_dict(settings),
            "network": network.state_dict(),
            "loss": loss.state_dict(),
            "identities": [f"p{person}" for person in range(10)],
            "num_crops": 20,
            "step": 1,
            "start": None,
            "best": {},
        },
    )
    for name in ("run", "begun"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "config.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    hub.save_weights(folder / "run", folder / "weights.safetensors")
    hub.save_pretrained(folder / "run", folder / "hub")
    save_onnx(folder / "net.onnx")
    (folder / "net.onnx.yaml").write_text(yaml.safe_dump(RECIPE["network"]["input"]))
    keys = [f"p{person}/{image}" for person in range(10) for image in range(2)]
    write_embeddings(folder / "embeddings.npz", keys, random.normal(size=(20, 8)).astype(np.float32), {})
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(2, 2),))
    torch.export.save(program, folder / "net.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "script.pt")
    (folder / "net.caffemodel").write_bytes(b"\n\3net")
    torch.save({"a.weight": torch.zeros(2)}, folder / "foreign.pth")
    torch.save({"a": torch.zeros(2)}, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"a.weight": torch.zeros(2)}, folder / "foreign.safetensors")
    cv2.imwrite(str(folder / "photo.jpg"), np.zeros((8, 8, 3), np.uint8))
    (folder / "empty.pt").touch()
    (folder / "set.rec").write_bytes(b"\n#\xd7\xce")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    for name, file in (("crops", "manifest.csv"), ("report", "report.json")):
        (folder / name).mkdir()
        (folder / name / file).touch()
    return folder


def save_onnx(path):
    """The mean of each colour over the rows: (B, 3, H, W) -> (B, 3 W)."""
    nodes = [
        helper.make_node("ReduceMean", ["crops"], ["columns"], axes=[2], keepdims=0),
        helper.make_node("Flatten", ["columns"], ["embeddings"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["B", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["B", 3 * SIZE])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_kind_of_file_is_taken_or_named_with_what_takes_it(files, tmp_path, command):
    program, arguments, also = COMMANDS[command]
    for number, (kind, words) in enumerate(KINDS.items()):
        names = {
            "model": files / kind,
            "out": tmp_path / f"out{number}",
            "crops": files / "set",
            "pairs": files / "pairs.txt",
            "recipe": files / "recipe.yaml",
        }
        given = [argument.format(**names) for argument in arguments]
        result = CliRunner().invoke(program, given)
        said = result.output
        if words == TAKEN or kind in also:
            assert result.exit_code == 0, (kind, said)
        else:
            assert result.exit_code == 1, (kind, said)
            assert words in said, kind
            assert str(files / kind) in said
            assert said.startswith("error: "), kind


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "net.onnx",
            "is an ONNX file: `sphereface-plus embed`, `python -m eval` and the doctor take it as it is",
        ),
        ("embeddings.npz", "holds embeddings, which `python -m eval` takes as --model as they are"),
        ("net.pt2", "is a program of torch.export (.pt2); convert takes weights, of torch or of Caffe"),
        (
            "script.pt",
            "is a TorchScript program, which is not run here; save the state_dict() of its network",
        ),
        ("archive.zip", "is an archive, but not one of torch's; unpack it first"),
    ],
)
def test_convert_names_what_is_no_weights(files, tmp_path, kind, words):
    for family in ("caffe", "insightface"):
        arguments = ["convert", str(files / kind), str(tmp_path / "out.safetensors"), "--from", family]
        result = CliRunner().invoke(cli, arguments)
        assert result.output.startswith(f"error: {files / kind}: {words}")


@pytest.mark.parametrize("kind", KINDS)
def test_embedder_takes_or_names_each_kind_of_file(files, kind):
    if KINDS[kind] == TAKEN or kind in ONNX:
        assert Embedder.load(files / kind).embed(np.zeros((2, SIZE, SIZE, 3), np.uint8)).shape[0] == 2
    else:
        with pytest.raises(CheckpointError) as refused:
            Embedder.load(files / kind)
        assert KINDS[kind] in str(refused.value)


def test_a_file_cut_short_is_of_the_kind_that_reading_refuses(files, tmp_path):
    whole = (files / "net.pt2").read_bytes()
    (tmp_path / "cut.pt2").write_bytes(whole[: len(whole) // 2])
    assert model_kind_of(tmp_path / "cut.pt2") == "checkpoint"
    with pytest.raises(CheckpointError, match=r"cut\.pt2: is damaged, cut short or no checkpoint"):
        Embedder.load(tmp_path / "cut.pt2")


def test_a_file_that_changed_is_hashed_again(tmp_path):
    file = tmp_path / "a.bin"
    for content in (b"one", b"two", b"three"):
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(file)
        for _ in range(2):
            assert model_files.sha256(file) == hashlib.sha256(content).hexdigest()
