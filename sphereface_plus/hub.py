"""A model as a folder in the layout of the Hugging Face Hub, with a model card; and back from there.

    model.safetensors   the weights, and in their header all that is needed to use them (weights.py)
    config.json         the same header as a file: the Hub counts downloads by it; nothing here reads it
    README.md           the model card

A local folder needs no package of the Hub's.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import yaml

from sphereface_plus import weights
from sphereface_plus.config import to_dict
from sphereface_plus.embedding import Embedder, network_of
from sphereface_plus.errors import UserError
from sphereface_plus.files import write_text
from sphereface_plus.model_files import MODEL
from sphereface_plus.weights import KEY, Origin, Weights
from sphereface_plus.words import counted

# What the Hub knows as licences, of those that weights of faces come under.
HUB_LICENSES = ("mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")


class HubError(UserError):
    """What the Hub cannot do here; the message says what to do."""


def save_weights(
    model: str | Path, out: str | Path, *, license: str | None = None, head: bool = False
) -> Weights:
    """Writes the network of a run, checkpoint or weight file as a weight file, and reads it again.

    license: terms of the weights; those of a weight file stay if not given.
    head: the prototypes and their identities' names too. They are personal data, and only a fine-tuning with
    the same identities has a use for them: left out if not asked for.
    Raises CheckpointError or ConfigError.
    """
    model_weights = weights.load(model)
    network_of(model_weights)  # weights that are not the network's are refused here, not at the file's use
    origin = model_weights.info.origin
    if license is not None:
        origin = origin.model_copy(update={"license": license})
    info = model_weights.info.model_copy(update={"origin": origin} | ({} if head else {"identities": None}))
    weights.save(out, info, model_weights.network, model_weights.loss.get("prototypes") if head else None)
    return weights.load(out)


def save_pretrained(
    model: str | Path, folder: str | Path, *, license: str | None = None, head: bool = False
) -> Path:
    """Writes the folder described above; what it takes and raises is as for save_weights."""
    folder = Path(folder)
    written = save_weights(model, folder / MODEL, license=license, head=head)
    config = json.dumps(to_dict(written.info), indent=2, ensure_ascii=False)
    write_text(folder / "config.json", config + "\n")
    write_text(folder / "README.md", model_card(written, name=folder.resolve().name))
    return folder


def from_pretrained(name: str | Path, *, revision: str | None = None, device: str = "auto") -> Embedder:
    """The embedder of a local folder, or of a repository on the Hub, `owner/name`.

    revision: a commit, branch or tag of the repository. device: as for Embedder.load.
    Raises CheckpointError; HubError where the Hub is needed and huggingface_hub is missing.
    """
    if Path(name).exists():
        return Embedder.load(name, device=device)
    if str(name).count("/") != 1 or str(name).startswith(("/", ".")):
        raise HubError(f"{name}: there is no such folder, and a repository of the Hub is called owner/name")
    return Embedder.load(_hub().hf_hub_download(str(name), MODEL, revision=revision), device=device)


def push_to_hub(folder: str | Path, repository: str, *, private: bool = True) -> str:
    """Uploads a folder of save_pretrained to the repository `owner/name`, made if need be; its address.

    Raises HubError where huggingface_hub is missing, CheckpointError for another folder.
    """
    weights.load(Path(folder) / MODEL)
    api = _hub().HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    api.upload_folder(
        repo_id=repository, folder_path=str(folder), allow_patterns=[MODEL, "config.json", "README.md"]
    )
    return f"https://huggingface.co/{repository}"


def model_card(model: Weights, *, name: str) -> str:
    """README.md: the YAML head that the Hub reads, and for people what the model is and how to use it."""
    info, origin, spec = model.info, model.info.origin, model.info.network.input
    head: dict[str, Any] = {
        "library_name": "sphereface-plus",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["face-recognition", "face-verification", "sphereface"],
        **_license(origin.license),
    }
    training = dict(origin.training)
    rows = {
        "base model": _base_model(origin, training),
        "data set": _data_set(training),
        "network": f"{info.network.name}, {info.network.embedding_size} dimensions",
        "crops": f"{spec.template}, {spec.height}x{spec.width} (height x width)",
        "pixels": f"{spec.color.upper()}, (v - {list(spec.mean)}) / {list(spec.std)}, v from 0 to 255",
        "from": f"{origin.file} ({origin.format}), sha256 {origin.sha256}",
        "terms of the weights": origin.license or "not stated",
        **{f"training: {key}": value for key, value in training.items()},
    }
    table = "\n".join(f"| {_cell(key)} | {_cell(value)} |" for key, value in rows.items())
    remarks = "".join(f"- {_cell(remark)}\n" for remark in origin.remarks)
    return f"""---
{yaml.safe_dump(head, sort_keys=False).strip()}
---

# {_cell(name)}

A network for face recognition: aligned crops of faces go in, embeddings come out, and the cosine of two of
them says how similar the two faces are.

| | |
|---|---|
{table}

{remarks}
## Use

```python
from sphereface_plus.embedding import Embedder

# uint8 RGB (B, {spec.height}, {spec.width}, 3) -> float32 (B, {info.network.embedding_size})
embeddings = Embedder.load({json.dumps(name, ensure_ascii=False)})(crops)
```

Crops are made of photos by `python -m data_prep align PHOTOS CROPS --template {_code(spec.template)}`.
Another alignment, channel order or scale gives embeddings that look fine and are not.

## Intended use

Research, and verification with the consent of those whose faces are compared: whether two photos show the
same person, where a mistake does no harm or a person looks at each result. It is not meant for finding people
who did not agree to it, nor for decisions about somebody by its score alone; in many places the law forbids
either. An embedding is biometric data, as a photo of a face is.

## Limits

No accuracy is stated here: it depends on the photos, and `python -m eval` measures it on yours. Face
recognition errs more often for some groups of people than for others, by its training data: measure on
people like those that it is meant for.
"""


def _base_model(origin: Origin, training: dict[str, Any]) -> str:
    """What the weights were trained further from, taken out of `training`."""
    if name := training.pop("base_model", None):
        return f"{name}, sha256 {training.pop('base_model_sha256', 'not stated')}"
    if origin.format != KEY:
        return f"none known; converted from {origin.format}"
    return "none: it was trained from random weights" if "recipe" in training else "not stated"


def _data_set(training: dict[str, Any]) -> str:
    """What the weights were trained on, taken out of `training`."""
    name, crops, identities = (training.pop(key, None) for key in ("data_set", "crops", "identities"))
    if name is None:
        return "not stated"
    if not (crops and identities):
        return str(name)
    return f"{name}, {counted(crops, 'crop')} of {counted(identities, 'identity')}"


def _cell(value: object) -> str:
    """Text as it is, on one line of Markdown: no table's border, tag, link, emphasis or code in it."""
    text = html.escape(" ".join(str(value).split()), quote=False)
    text = re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)
    return re.sub(r"^(\d*)([#+.)-])", r"\1\\\2", text)  # what begins a heading or a list


def _code(value: object) -> str:
    """Text within a line of code, which nothing in it ends."""
    return " ".join(str(value).split()).replace("`", "'")


def _license(license: str | None) -> dict[str, str]:
    if license is None:
        return {"license": "unknown"}
    if license.lower() in HUB_LICENSES:
        return {"license": license.lower()}
    return {"license": "other", "license_name": license}


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise HubError(
            "the Hub needs huggingface_hub, which is not installed: pip install huggingface_hub; "
            "a local folder needs nothing"
        ) from None
    return huggingface_hub
