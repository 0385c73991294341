"""Weight files: what is written is read, by every command that takes a model; what is damaged is refused."""

import json
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sphereface_plus import checkpoint, weights
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.commands.describe import describe
from sphereface_plus.config import ConfigError, InputSpec, NetworkConfig, from_dict, to_dict
from sphereface_plus.embedding import Embedder, load_network
from sphereface_plus.networks import build_network
from sphereface_plus.weights import Origin, WeightsInfo

SPEC = InputSpec(template="small_48x32", height=48, width=32)
CONFIG = NetworkConfig(name="sphereface4", embedding_size=8, input=SPEC)
RECIPE = from_dict(
    {
        "name": "mine",
        "data": {"path": "crops"},
        "network": to_dict(CONFIG),
        "loss": {"kind": "softmax"},
        "optimizer": {"learning_rate": 0.1},
        "train": {"steps": 1, "batch_size": 2},
    }
)
ORIGIN = Origin(format="caffe", file="x.caffemodel", sha256="0" * 64, license="MIT", remarks=("fc6: odd",))
INFO = WeightsInfo(network=CONFIG, identities=("Ann", "Bjørk", "Cem"), origin=ORIGIN, renamed={"a": "b"})


@pytest.fixture
def network():
    return build_network(CONFIG).to(memory_format=torch.channels_last).eval()


@pytest.fixture
def file(tmp_path, network):
    weights.save(tmp_path / "new" / "face.safetensors", INFO, network.state_dict(), torch.eye(3, 8))
    return tmp_path / "new" / "face.safetensors"


def test_what_was_saved_is_loaded(file, network):
    model = weights.load(file)
    assert model.info == INFO
    assert (model.kind, model.sha256) == ("weights", checkpoint.sha256(file))
    assert model.network.keys() == network.state_dict().keys()
    assert all(torch.equal(model.network[name], value) for name, value in network.state_dict().items())
    assert torch.equal(model.loss["prototypes"], torch.eye(3, 8))
    assert [path.name for path in file.parent.iterdir()] == ["face.safetensors"]


def test_a_folder_of_the_hub_stands_for_its_file(file):
    file.rename(file.with_name("model.safetensors"))
    assert weights.load(file.parent).file == file.with_name("model.safetensors")


def test_a_weight_file_embeds_as_its_network_does(file, network):
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 32, 3), dtype=np.uint8)
    embedder = Embedder.load(file, device="cpu")
    assert (embedder.kind, embedder.input) == ("weights", SPEC)
    x = torch.from_numpy((crops[..., ::-1].astype(np.float32) - 127.5) / 128).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network(x).numpy()
    np.testing.assert_allclose(embedder(crops), expected, rtol=0, atol=1e-5)


def test_a_checkpoint_is_loaded_with_what_it_says_about_itself(tmp_path, network):
    payload = {
        "config": to_dict(RECIPE),
        "network": network.state_dict(),
        "identities": ["a", "b"],
        "step": 7,
    }
    checkpoint.save(tmp_path / "checkpoints" / "last.pt", payload)
    model = weights.load(tmp_path)
    assert (model.kind, model.info.network, model.info.identities) == ("checkpoint", CONFIG, ("a", "b"))
    assert model.info.origin.training == {
        "recipe": "mine",
        "seed": 0,
        "loss": "softmax",
        "mhe_weight": 0.0,
        "precision": "auto",
        "step": 7,
        "identities": 2,
        "data_set": "crops",
    }
    del payload["network"]
    checkpoint.save(tmp_path / "checkpoints" / "last.pt", payload)
    with pytest.raises(CheckpointError, match="is not a whole checkpoint, it lacks 'network'"):
        weights.load(tmp_path)


def test_show_describes_a_weight_file(file):
    lines = describe(file).splitlines()
    assert "  from       x.caffemodel (caffe), sha256 " + "0" * 64 in lines
    assert "  license    MIT" in lines
    assert "  note       fc6: odd" in lines
    assert any(line.startswith("network sphereface4: ") for line in lines)
    assert "  template   small_48x32" in lines
    assert "prototypes 3 x 8" in lines


def test_a_failed_save_leaves_the_old_file_and_nothing_else(file, network, monkeypatch):
    before = file.read_bytes()

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        weights.save(file, INFO, network.state_dict())
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(file, share):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r"is damaged, cut short or no safetensors file \("):
        weights.load(file)


def test_a_forged_length_takes_no_memory(tmp_path):
    (tmp_path / "x.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        weights.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "does not say which network it holds; a file of another project has to be converted"),
        ("{", "what it says about its network is not JSON"),
        ("[" * 100_000, "what it says about its network is not JSON"),
        ("9" * 5000, "what it says about its network is not JSON"),
        ("{}", "what it says about its network does not fit: .*network: is required"),
        (json.dumps(to_dict(INFO) | {"format": 2}), "does not fit: .*format"),
    ],
)
def test_files_that_do_not_describe_themselves_are_refused(tmp_path, metadata, message):
    header = {} if metadata is None else {"sphereface_plus": metadata}
    save_file({"network.a": torch.zeros(2)}, tmp_path / "x.safetensors", header)
    with pytest.raises(CheckpointError, match=message):
        weights.load(tmp_path / "x.safetensors")


def test_a_shape_that_torch_does_not_take_is_refused(tmp_path):
    header = {
        "__metadata__": {"sphereface_plus": json.dumps(to_dict(INFO))},
        "network.a": {"dtype": "F32", "shape": [2**63, 0], "data_offsets": [0, 0]},
    }
    data = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(data).to_bytes(8, "little") + data)
    with pytest.raises(CheckpointError, match="is damaged, cut short or no safetensors file"):
        weights.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": [1]}, "its config is a list"),
        ({"network": 5}, "its network is a number"),
        ({"loss": "x"}, "its loss is a text"),
        ({"network": {"a": 5}}, "a claims more numbers than the file holds, or none"),
        ({"network": {"a": torch.ones(1).expand(10**12)}}, "a claims more numbers than the file holds"),
        ({"network": {"a": torch.ones(2, device="meta")}}, "a claims more numbers than the file holds"),
        ({"network": {"a": torch.ones(2, dtype=torch.complex64)}}, "a claims more numbers .*, or none"),
        ({"loss": {"prototypes": torch.ones(())}}, r"its prototypes are torch.float32 \(\), expected floats"),
        ({"loss": {"prototypes": torch.ones(0, 8)}}, r"its prototypes are torch.float32 \(0, 8\), expected"),
        ({"loss": {"prototypes": torch.eye(2).int()}}, r"its prototypes are torch.int32 \(2, 2\), expected"),
        (
            {"loss": {"prototypes": torch.eye(2)}, "identities": ["a"]},
            "names 1 identity for 2 prototypes",
        ),
        ({"identities": 5}, "its identities are not names"),
        ({"identities": [5]}, "its identities are not names"),
        ({"step": [5]}, "its step is not a number"),
    ],
)
def test_a_checkpoint_of_other_things_than_ours_is_refused(tmp_path, change, message):
    checkpoint.save(tmp_path / "x.pt", {"config": to_dict(RECIPE), "network": {}} | change)
    with pytest.raises(CheckpointError, match=rf"x\.pt: .*{message}"):
        weights.load(tmp_path / "x.pt")


def test_weights_of_another_network_than_it_says_are_refused(tmp_path, network):
    state = network.state_dict()
    state.pop("embed.bias")
    weights.save(tmp_path / "x.safetensors", INFO, state)
    with pytest.raises(CheckpointError, match="its config and its weights do not go together"):
        Embedder.load(tmp_path / "x.safetensors", device="cpu")


@pytest.mark.parametrize(
    "claim",
    [{"embedding_size": 10**9}, {"embedding_size": 10**30}, {"input": {"height": 10**6, "width": 10**6}}],
)
def test_a_small_file_that_claims_a_huge_network_takes_no_memory(tmp_path, network, claim):
    info = to_dict(INFO) | {"network": to_dict(CONFIG) | claim, "identities": None}
    state = {f"network.{name}": value.contiguous() for name, value in network.state_dict().items()}
    save_file(state, tmp_path / "x.safetensors", {"sphereface_plus": json.dumps(info)})
    match = r"weights do not go together \(.*'embed\.(weight|bias)'|network that cannot be built"
    for read in (load_network, describe):
        with pytest.raises(CheckpointError, match=match):
            read(tmp_path / "x.safetensors")


def test_a_caffemodel_is_told_how_to_become_a_model(tmp_path):
    (tmp_path / "x.caffemodel").write_bytes(b"\x00")
    with pytest.raises(
        CheckpointError, match=r"is of Caffe; convert it: sphereface-plus convert .* --from caffe"
    ):
        weights.load(tmp_path / "x.caffemodel")


def test_a_checkpoint_of_images_is_no_model_of_faces(tmp_path):
    config = {
        "task": "image",
        "name": "cnn",
        "data": {"name": "mnist", "path": "x"},
        "network": {"name": "cnn6"},
        "optimizer": {"learning_rate": 0.1},
        "train": {"steps": 1, "batch_size": 2},
    }
    checkpoint.save(tmp_path / "x.pt", {"config": to_dict(from_dict(config)), "network": {}})
    with pytest.raises(ConfigError, match="is of an image classification; a model of faces is needed"):
        weights.load(tmp_path / "x.pt")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_gives_another_error_than_a_checkpoint_error(tmp_path_factory, damage, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    weights.save(path, INFO, {"a": torch.ones(2, 3)}, torch.eye(3, 8))
    content = path.read_bytes()
    if data.draw(st.booleans()):
        damaged = damage(data, content)
    else:  # with the header's length put right
        length = int.from_bytes(content[:8], "little")
        header = damage(data, content[8 : 8 + length])
        damaged = len(header).to_bytes(8, "little") + header + content[8 + length :]
    path.write_bytes(damaged)
    with suppress(CheckpointError):
        model = weights.load(path)
        assert sum(tensor.nbytes for tensor in (model.network | model.loss).values()) <= len(damaged)


def test_short_memory_is_no_damage(file, monkeypatch):
    def short(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes")

    monkeypatch.setattr(weights, "safe_open", short)
    with pytest.raises(CheckpointError, match=r": cannot be read, memory is short \(DefaultCPUAllocator"):
        weights.load(file)
