"""The input spec and the settings of the small models here."""

from sphereface_plus.config import InputSpec, from_dict, to_dict

SPEC = InputSpec(template="small_48x32", height=48, width=32)
CONFIG = from_dict(
    {
        "name": "test",
        "data": {"path": "crops"},
        "network": {"name": "sphereface4", "embedding_size": 8, "input": to_dict(SPEC)},
        "loss": {"kind": "softmax"},
        "optimizer": {"learning_rate": 0.1},
        "train": {"steps": 1, "batch_size": 2},
    }
)
