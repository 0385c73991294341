"""Folders in the layout of the Hub: written, read and described without it; and the Hub where it is meant."""

import json
import re
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from sphereface_plus import weights
from sphereface_plus.checkpoint import CheckpointError
from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.embedding import Embedder
from sphereface_plus.hub import (
    HubError,
    from_pretrained,
    model_card,
    push_to_hub,
    save_pretrained,
    save_weights,
)
from sphereface_plus.networks import build_network
from sphereface_plus.weights import Origin, WeightsInfo


@pytest.fixture
def file(tmp_path):
    config = NetworkConfig(
        name="sphereface4", embedding_size=8, input=InputSpec(template="small_48x32", height=48, width=32)
    )
    origin = Origin(
        format="caffe",
        file="x.caffemodel",
        sha256="0" * 64,
        license="MIT",
        training={"recipe": "mine"},
        remarks=("fc6: odd",),
    )
    info = WeightsInfo(network=config, identities=("Ann", "Bjørk"), origin=origin)
    weights.save(tmp_path / "face.safetensors", info, build_network(config).state_dict(), torch.eye(2, 8))
    return tmp_path / "face.safetensors"


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (3, 48, 32, 3), dtype=np.uint8)


def test_a_saved_folder_embeds_as_the_model_it_was_made_from(file, crops, tmp_path):
    folder = save_pretrained(file, tmp_path / "hub" / "face")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    expected = Embedder.load(file, device="cpu")(crops)
    for embedder in (from_pretrained(folder, device="cpu"), Embedder.load(folder, device="cpu")):
        np.testing.assert_array_equal(embedder(crops), expected)


def test_the_model_card_begins_with_what_the_hub_reads_and_says_how_to_feed_the_network(file, tmp_path):
    card = (save_pretrained(file, tmp_path / "face") / "README.md").read_text()
    _, head, text = card.split("---\n", maxsplit=2)
    assert yaml.safe_load(head) == {
        "library_name": "sphereface-plus",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["face-recognition", "face-verification", "sphereface"],
        "license": "mit",
    }
    assert "| crops | small\\_48x32, 48x32 (height x width) |" in text
    assert (
        r"| pixels | BGR, (v - \[127.5, 127.5, 127.5\]) / \[128.0, 128.0, 128.0\], v from 0 to 255 |" in text
    )
    assert "| training: recipe | mine |" in text
    assert "- fc6: odd" in text
    assert "| base model | none known; converted from caffe |" in text
    assert "| data set | not stated |" in text
    assert "## Intended use" in text


@pytest.mark.parametrize(
    ("training", "base", "data"),
    [
        (
            {"data_set": "casia", "crops": 1200, "identities": 10, "recipe": "a"},
            "none: it was trained from random weights",
            "casia, 1,200 crops of 10 identities",
        ),
        (
            {"data_set": "own", "base_model": "sphereface20", "base_model_sha256": "ab12", "recipe": "b"},
            "sphereface20, sha256 ab12",
            "own",
        ),
        ({}, "not stated", "not stated"),
    ],
)
def test_the_model_card_names_base_model_and_data_set(file, tmp_path, training, base, data):
    model = weights.load(file)
    origin = model.info.origin.model_copy(update={"format": "sphereface_plus", "training": training})
    info = model.info.model_copy(update={"origin": origin})
    weights.save(tmp_path / "own.safetensors", info, model.network)
    card = (save_pretrained(tmp_path / "own.safetensors", tmp_path / "face") / "README.md").read_text()
    assert f"| base model | {base} |" in card
    assert f"| data set | {data} |" in card


def test_what_others_wrote_breaks_no_table_of_the_model_card(file, tmp_path):
    model = weights.load(file)
    changed = {"file": "a|b\n| x | y |", "remarks": ("<script>`1`</script>\n# Head",)}
    info = model.info.model_copy(update={"origin": model.info.origin.model_copy(update=changed)})
    weights.save(tmp_path / "own.safetensors", info, model.network)
    card = (save_pretrained(tmp_path / "own.safetensors", tmp_path / "face") / "README.md").read_text()
    assert r"| from | a\|b \| x \| y \| (caffe), sha256 " in card
    assert r"- &lt;script&gt;\`1\`&lt;/script&gt; # Head" in card
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_no_name_of_a_file_ends_the_code_or_begins_a_heading_of_the_model_card(file):
    model = weights.load(file)
    network = model.info.network
    spec = network.input.model_copy(update={"template": "x`; [pay](http://a)\n# Head\n`"})  # past its check
    changed = {"network": network.model_copy(update={"input": spec})}
    origin = model.info.origin.model_copy(update={"remarks": ("# Head", "1. one", "- two")})
    model = replace(model, info=model.info.model_copy(update={**changed, "origin": origin}))
    card = model_card(model, name="face")
    assert "`python -m data_prep align PHOTOS CROPS --template x'; [pay](http://a) # Head '`.\n" in card
    remarks = [line for line in card.split("---\n")[2].splitlines() if line.startswith("- ")]
    assert remarks == [r"- \# Head", r"- 1\. one", r"- \- two"]
    assert "# Head" not in card.splitlines()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("research only", {"license": "other", "license_name": "research only"}),
    ],
)
def test_the_terms_of_the_weights_are_in_the_head(file, tmp_path, given, expected):
    card = (save_pretrained(file, tmp_path / "face", license=given) / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert {key: head[key] for key in head if key.startswith("license")} == expected
    assert weights.load(tmp_path / "face").info.origin.license == given


def test_prototypes_and_names_of_people_leave_only_if_asked_for(file, tmp_path):
    without = weights.load(save_pretrained(file, tmp_path / "without"))
    assert (without.loss, without.info.identities) == ({}, None)
    assert b"Ann" not in (tmp_path / "without" / "model.safetensors").read_bytes()
    assert "Ann" not in (tmp_path / "without" / "config.json").read_text()
    kept = weights.load(save_pretrained(file, tmp_path / "with", head=True))
    assert kept.info.identities == ("Ann", "Bjørk")
    assert torch.equal(kept.loss["prototypes"], torch.eye(2, 8))
    assert json.loads((tmp_path / "with" / "config.json").read_text())["identities"] == ["Ann", "Bjørk"]


def test_a_weight_file_alone_is_written_too(file, tmp_path):
    saved = save_weights(file, tmp_path / "out.safetensors")
    assert saved.info.origin == weights.load(file).info.origin
    assert all(torch.equal(saved.network[n], value) for n, value in weights.load(file).network.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda network: network.clear(), "its config and its weights do not go together"),
        (lambda network: network.pop("embed.bias"), "its config and its weights do not go together"),
        (lambda network: network.update({"embed.bias": torch.ones(9)}), "its config and its weights do not"),
        (lambda network: network["embed.bias"].fill_(torch.nan), r"are not finite \(embed\.bias\)"),
    ],
)
def test_weights_that_are_not_the_networks_do_not_leave(file, tmp_path, change, message):
    model = weights.load(file)
    change(model.network)
    weights.save(tmp_path / "bad.safetensors", model.info, model.network)
    with pytest.raises(CheckpointError, match=rf"bad\.safetensors: .*{message}"):
        save_pretrained(tmp_path / "bad.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class FakeHub(types.ModuleType):
    def __init__(self, file):
        super().__init__("huggingface_hub")
        self.calls, self.file = [], file

    def hf_hub_download(self, repository, name, revision=None):
        self.calls.append((repository, name, revision))
        return str(self.file)

    def HfApi(self):
        return self

    def create_repo(self, repository, *, private, exist_ok):
        self.calls.append(("create", repository, private, exist_ok))

    def upload_folder(self, *, repo_id, folder_path, allow_patterns):
        self.calls.append(("upload", repo_id, folder_path, sorted(allow_patterns)))


def test_a_repository_is_fetched_from_the_hub(file, crops, monkeypatch):
    hub = FakeHub(file)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    embedder = from_pretrained("ann/face", revision="v1", device="cpu")
    np.testing.assert_array_equal(embedder(crops), Embedder.load(file, device="cpu")(crops))
    assert hub.calls == [("ann/face", "model.safetensors", "v1")]


def test_a_folder_is_pushed_to_a_private_repository(file, tmp_path, monkeypatch):
    hub = FakeHub(file)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    folder = save_pretrained(file, tmp_path / "face")
    (folder / "notes.txt").write_text("not for the Hub")
    assert push_to_hub(folder, "ann/face") == "https://huggingface.co/ann/face"
    assert hub.calls == [
        ("create", "ann/face", True, True),
        ("upload", "ann/face", str(folder), ["README.md", "config.json", "model.safetensors"]),
    ]
    with pytest.raises(CheckpointError):
        push_to_hub(tmp_path / "empty", "ann/face")


def test_without_the_hubs_package_a_sentence_says_what_to_do(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    folder = save_pretrained(file, tmp_path / "face")
    from_pretrained(folder)
    for call in (lambda: from_pretrained("ann/face"), lambda: push_to_hub(folder, "ann/face")):
        with pytest.raises(HubError, match="pip install huggingface_hub; a local folder needs nothing"):
            call()


@pytest.mark.parametrize("name", ["nowhere", "./nowhere/face", "/nowhere/face", "a/b/c"])
def test_what_is_neither_a_folder_nor_a_repository_is_refused(name):
    with pytest.raises(
        HubError, match="there is no such folder, and a repository of the Hub is called owner/name"
    ):
        from_pretrained(name)
