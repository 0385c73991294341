import math

import pytest
import torch

from sphereface_plus.networks.layers import batch_norm, he_convolution


def test_a_convolution_starts_with_hes_variance_of_two_over_fan_in_and_has_no_bias():
    layer = he_convolution(64, 128, 3, 1)
    assert layer.weight.shape == (128, 64, 3, 3)
    assert layer.bias is None
    assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.01)


@pytest.mark.parametrize(("preset", "eps", "kept"), [("torch", 1e-5, 0.9), ("mhe_code", 1e-3, 0.999)])
def test_a_preset_of_batch_normalisation_sets_epsilon_and_what_is_kept_of_the_statistics(preset, eps, kept):
    norm = batch_norm(2, preset)
    assert norm.eps == eps
    norm(torch.full((4, 2, 3, 3), 5.0))  # mean 5, variance 0; at the beginning 0 and 1
    torch.testing.assert_close(norm.running_mean, torch.full((2,), 5 * (1 - kept)))
    torch.testing.assert_close(norm.running_var, torch.full((2,), kept))


def test_an_unknown_preset_of_batch_normalisation_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="batch_norm: expected one of torch, mhe_code, got 'tf'"):
        batch_norm(2, "tf")
