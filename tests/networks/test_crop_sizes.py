"""The networks whose last layer flattens a map: two crop sizes, and no other than their own."""

import pytest
import torch

from sphereface_plus.networks import MobileFaceNet, iresnet18

BOTH = pytest.mark.parametrize("build", [iresnet18, MobileFaceNet])


@BOTH
@pytest.mark.parametrize("size", [(112, 112), (112, 96)])
def test_both_crop_sizes_give_embeddings_in_fp32(build, size):
    network = build(16, *size).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        embeddings = network(torch.randn(2, 3, *size))
    assert embeddings.shape == (2, 16)
    assert embeddings.dtype == torch.float32


@BOTH
def test_a_crop_of_another_size_is_refused(build):
    with pytest.raises(ValueError, match=r"images of shape \(B, 3, 112, 112\), got \(2, 3, 112, 96\)"):
        build(16)(torch.zeros(2, 3, 112, 96))
