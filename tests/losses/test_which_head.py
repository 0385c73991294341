import pytest
import torch

from sphereface_plus.config.losses import HeadName
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.losses.which_head import head_for

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("name", "identities", "device", "head"),
    [
        ("auto", 629, CPU, DenseHead),
        ("auto", 8_191, CPU, DenseHead),
        ("auto", 8_192, CPU, StreamedHead),
        ("auto", 100_000, GPU, DenseHead),
        ("auto", 1_048_576, GPU, StreamedHead),
        ("dense", 10_000_000, CPU, DenseHead),
        ("streamed", 10, GPU, StreamedHead),
    ],
)
def test_large_heads_are_streamed_where_a_recipe_says_nothing_else(
    name: HeadName, identities: int, device: torch.device, head: type
):
    assert head_for(name, num_identities=identities, batch_size=256, device=device) is head
