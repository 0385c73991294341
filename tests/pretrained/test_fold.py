import pytest
import torch

from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import SpecError, normalise
from sphereface_plus.pretrained.fold import fold_input, plain_spec

SPEC = InputSpec(color="bgr", mean=(120.0, 110.0, 100.0), std=(64.0, 128.0, 200.0))


def convolve(weight, spec):
    crops = torch.randint(0, 256, (2, 112, 96, 3), generator=torch.Generator().manual_seed(0)).byte()
    x = normalise(crops, spec).double()
    return torch.nn.functional.conv2d(x, weight.double(), stride=2, padding=1)


@pytest.mark.parametrize(
    "wanted",
    [
        plain_spec(SPEC),
        SPEC,
        SPEC.model_copy(update={"std": (127.5, 127.5, 127.5)}),
        SPEC.model_copy(update={"color": "rgb", "mean": (100.0, 110.0, 120.0)}),
    ],
)
def test_the_folded_convolution_gives_the_same_numbers_at_the_border_too(wanted):
    weight = torch.randn(8, 3, 3, 3)
    folded = fold_input(weight, SPEC, wanted)
    torch.testing.assert_close(convolve(folded, wanted), convolve(weight, SPEC), rtol=1e-5, atol=1e-5)


def test_a_mean_folded_into_a_bias_would_be_wrong_at_the_border():
    """Why fold_input refuses it: the padding is the mean's colour before, and black after."""
    weight = torch.randn(8, 3, 3, 3)
    no_mean = SPEC.model_copy(update={"mean": (0.0, 0.0, 0.0)})
    offset = (weight.double() * torch.tensor(SPEC.mean).div(torch.tensor(SPEC.std)).view(1, 3, 1, 1)).sum(
        (1, 2, 3)
    )
    difference = (convolve(weight, no_mean) - offset.view(1, -1, 1, 1) - convolve(weight, SPEC)).abs()
    assert difference[..., 1:, 1:].max() < 1e-4
    assert difference[..., 0, :].max() > 0.1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mean": (127.5, 127.5, 127.5)}, "mean"),
        ({"color": "rgb"}, "mean"),  # whose channels would have to change places too
        ({"width": 112, "template": "arcface_112x112"}, "template, width"),
    ],
)
def test_what_cannot_be_folded_is_refused_by_name(change, named):
    with pytest.raises(SpecError, match=f"only channel order and std can be folded .*, not {named}"):
        fold_input(torch.randn(8, 3, 3, 3), SPEC, SPEC.model_copy(update=change))
