"""A checkpoint's network as an ONNX file with a dynamic batch, and its input spec as a sidecar."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import torch
import yaml

from sphereface_plus import checkpoint
from sphereface_plus.config import from_dict, to_dict
from sphereface_plus.embedding import sidecar
from sphereface_plus.networks import build_network
from sphereface_plus.onnx_import import load_onnx

BATCHES = (1, 2, 7)  # what the parity check runs


def export_onnx(model: str | Path, out: str | Path) -> float:
    """Writes a run's or checkpoint's network to `out` (crops (B, 3, H, W), normalised -> embeddings (B, D)).

    Returns the largest absolute difference between onnxruntime's and torch's embeddings of random crops, in
    batches of 1, 2 and 7. `out` and its sidecar appear only when all of that has worked.
    Raises CheckpointError or ConfigError.
    """
    out = Path(out)
    payload = checkpoint.load(model)
    config = from_dict(payload["config"], origin=str(model)).network
    network = build_network(config)
    network.load_state_dict(payload["network"])
    network.eval()
    shape = (3, config.input.height, config.input.width)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:
        file = Path(folder) / out.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (torch.zeros(2, *shape),),
                dynamo=True,
                input_names=["crops"],
                output_names=["embeddings"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        assert program is not None
        program.save(str(file), external_data=False)
        run = load_onnx(file, config.input, "cpu")
        generator = torch.Generator().manual_seed(0)
        difference = 0.0
        for batch in BATCHES:
            crops = torch.rand(batch, *shape, generator=generator) * 2 - 1
            with torch.inference_mode():
                expected = network(crops)
            difference = max(difference, (torch.from_numpy(run(crops.numpy())) - expected).abs().max().item())
        spec = Path(folder) / "spec.yaml"
        spec.write_text(yaml.safe_dump(to_dict(config.input), sort_keys=False), encoding="utf-8")
        os.replace(spec, sidecar(out))
        os.replace(file, out)
    return difference
