import math

import numpy as np
import pytest
import torch

from sphereface_plus.losses.psi import psi, psi_derivative

MARGINS = (1, 2, 3, 4)


def psi_by_angle(theta: np.ndarray, margin: int) -> np.ndarray:
    """The definition, in the angle: (-1)^k cos(m theta) - 2k, k = floor(m theta / pi), and m - 1 at pi."""
    k = np.minimum(np.floor(margin * theta / math.pi), margin - 1)
    return (-1.0) ** k * np.cos(margin * theta) - 2 * k


def psi_by_signs(c: torch.Tensor, margin: int) -> torch.Tensor:
    """The form of the released layer, with sgn(0) = 0."""
    s0 = torch.sign(c)
    if margin == 1:
        return c
    if margin == 2:
        return 2 * s0 * c**2 - 1
    if margin == 3:
        s1 = torch.sign(c.abs() - 0.5)
        return s1 * (4 * c**3 - 3 * c) + s0 * (1 + s1) - 2
    s3 = s0 * torch.sign(2 * c**2 - 1)
    return s3 * (8 * c**4 - 8 * c**2 + 1) + 2 * s0 + s3 - 3


@pytest.mark.parametrize("margin", MARGINS)
def test_psi_equals_its_definition_in_the_angle(margin):
    theta = np.linspace(0, math.pi, 20_001)
    np.testing.assert_allclose(
        psi(torch.from_numpy(np.cos(theta)), margin), psi_by_angle(theta, margin), atol=1e-14, rtol=0
    )


@pytest.mark.parametrize("margin", MARGINS)
def test_psi_equals_the_sign_form_of_the_released_layer(margin):
    knots = [math.cos(j * math.pi / margin) for j in range(margin + 1)]
    cosine = torch.cat([torch.linspace(-1, 1, 20_001, dtype=torch.float64), torch.tensor(knots).double()])
    torch.testing.assert_close(psi(cosine, margin), psi_by_signs(cosine, margin), atol=2e-14, rtol=0)


@pytest.mark.parametrize(
    ("margin", "degrees", "value"),
    [
        # at every multiple of 180 / m the extension has fallen by 2; between, hand-computed values
        *[(m, 180 * j / m, 1 - 2 * j) for m in MARGINS for j in range(m + 1)],
        (2, 30, 0.5),
        (2, 120, -1.5),
        (3, 30, 0.0),
        (3, 90, -2.0),
        (3, 160, -4.5),
        (4, 15, 0.5),
        (4, 75, -2.5),
        (4, 105, -3.5),
        (4, 150, -5.5),
    ],
)
def test_psi_takes_known_values(margin, degrees, value):
    cosine = torch.tensor(math.cos(math.radians(degrees)), dtype=torch.float64)
    assert psi(cosine, margin).item() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("margin", MARGINS)
def test_psi_falls_with_the_angle_and_never_exceeds_the_cosine(margin):
    cosine = torch.cos(torch.linspace(0, math.pi, 10_001, dtype=torch.float64))
    values = psi(cosine, margin)
    assert (values.diff() < 1e-15).all()
    assert (values <= cosine + 1e-15).all()


@pytest.mark.parametrize("margin", MARGINS)
def test_the_derivative_of_psi_equals_finite_differences_and_autograd(margin):
    cosine = torch.linspace(-0.999, 0.999, 1_001, dtype=torch.float64, requires_grad=True)
    (autograd,) = torch.autograd.grad(psi(cosine, margin).sum(), cosine)
    with torch.no_grad():
        differences = (psi(cosine + 1e-6, margin) - psi(cosine - 1e-6, margin)) / 2e-6
        derivative = psi_derivative(cosine, margin)
    torch.testing.assert_close(derivative, differences, atol=1e-4, rtol=0)  # psi'' jumps at the knots
    torch.testing.assert_close(derivative, autograd, atol=1e-12, rtol=0)


@pytest.mark.parametrize("margin", MARGINS)
def test_the_slope_of_psi_is_m_squared_at_both_ends(margin):
    cosine = torch.tensor([-1.0, 1.0], requires_grad=True)
    psi(cosine, margin).sum().backward()
    assert cosine.grad.tolist() == [margin**2] * 2
    assert psi_derivative(cosine.detach(), margin).tolist() == [margin**2] * 2
