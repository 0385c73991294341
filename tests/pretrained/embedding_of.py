"""A converted file's embeddings."""

import numpy as np
import torch

from sphereface_plus.embedding import Embedder


def as_input(crops, color, std):
    """Crops uint8 RGB (B, H, W, 3) as a project feeds them."""
    ordered = crops[..., ::-1] if color == "bgr" else crops
    return torch.from_numpy((ordered.astype(np.float32) - 127.5) / std).permute(0, 3, 1, 2)


def embed(path, crops):
    return torch.from_numpy(Embedder.load(path, device="cpu")(crops))
