"""Any model of timm (pytorch-image-models) as a network, by its name there; timm is an optional extra."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sphereface_plus.errors import UserError
from sphereface_plus.networks.crop_size import refuse_other_size


class NetworkError(UserError):
    """A network that cannot be built; the message says what to do."""


class TimmNetwork(nn.Module):
    """Crops (B, 3, height, width) -> embeddings (B, embedding_size), by a new model of timm.

    The embedding is what timm calls the classifier's output: a linear layer on its pooled features. Models of
    a fixed input size, such as transformers, are built for the size of the crops.
    Raises NetworkError where timm is missing, or has no such model for this size.
    """

    bias_multipliers = (1.0, 1.0)

    def __init__(self, name: str, embedding_size: int = 512, height: int = 112, width: int = 112) -> None:
        super().__init__()
        try:
            import timm  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise NetworkError(
                f"network.name timm:{name} needs timm, which is not installed: "
                "pip install 'sphereface-plus[timm]'"
            ) from None
        if not timm.is_model(name):
            raise NetworkError(f"network.name timm:{name}: timm {timm.__version__} has no model {name}")
        self.embedding_size, self.height, self.width = embedding_size, height, width
        spec = timm.get_pretrained_cfg(name)
        settings: dict[str, Any] = {"pretrained": False, "num_classes": embedding_size}
        if spec is not None and spec.fixed_input_size:
            settings["img_size"] = (height, width)
        try:
            self.model = timm.create_model(name, **settings)
        except (AssertionError, TypeError, ValueError) as error:
            why = f": {error}" if str(error) else ""
            raise NetworkError(
                f"network.name timm:{name}: cannot be built for crops of {height}x{width}{why}"
            ) from None

    def forward(self, crops: Tensor) -> Tensor:
        refuse_other_size(crops, self.height, self.width)
        return self.model(crops)
