"""`hyperspherical_energy` against the double loop, its identities, its gradients and its limits."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.mhe import classifier_energy, energy, hyperspherical_energy
from sphereface_plus.mhe.kernel import Distance

POWERS = [0.0, 0.5, 1.0, 2.0, 3.7]
DISTANCES: list[Distance] = ["euclidean", "angular"]

# (n, E[1/d], E[1/d^2], E[-log d], E[1/theta], E[1/theta^2], E[-log theta]) of two random directions in R^n
EXPECTED_PAIR_ENERGIES = [
    (27, 0.717791, 0.520833, -0.336773, 0.647027, 0.425838, -0.443606),
    (64, 0.711396, 0.508197, -0.342574, 0.640796, 0.413366, -0.448335),
    (512, 0.707627, 0.500982, -0.346084, 0.637126, 0.406253, -0.451186),
]


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", POWERS)
def test_sum_and_its_gradient_are_those_of_the_double_loop(power, distance, half_space, literal_energy):
    weight = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    ours = hyperspherical_energy(
        weight, power=power, distance=distance, half_space=half_space, reduction="sum"
    )
    literal = literal_energy(weight, power, distance, half_space)
    torch.testing.assert_close(ours, literal, rtol=1e-12, atol=1e-12)
    (our_gradient,) = torch.autograd.grad(ours, weight)
    (gradient,) = torch.autograd.grad(literal, weight)
    torch.testing.assert_close(our_gradient, gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("power", POWERS)
def test_weighted_energy_is_that_of_the_double_loop_over_scaled_neurons(power, half_space, literal_energy):
    weight = torch.randn(6, 3, dtype=torch.float64)
    betas = torch.tensor([1.0, 1.0, 2.0, 4.0, 10.0, 0.5], dtype=torch.float64)
    ours = hyperspherical_energy(
        weight, power=power, half_space=half_space, neuron_weights=betas, reduction="sum"
    )
    torch.testing.assert_close(ours, literal_energy(weight, power, "euclidean", half_space, betas))


def test_weights_of_one_change_nothing():
    weight = torch.randn(9, 5)
    plain, weighted = (
        hyperspherical_energy(weight),
        hyperspherical_energy(weight, neuron_weights=torch.ones(9)),
    )
    torch.testing.assert_close(weighted, plain)


@pytest.mark.parametrize("half_space", [False, True])
def test_mean_divides_the_sum_by_the_number_of_ordered_pairs(half_space):
    weight = torch.randn(8, 5, dtype=torch.float64)
    mean, total = (
        hyperspherical_energy(weight, half_space=half_space, reduction=reduction)
        for reduction in ("mean", "sum")
    )
    num_points = 16 if half_space else 8
    torch.testing.assert_close(mean * num_points * (num_points - 1), total)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("distance", DISTANCES)
def test_half_space_energy_is_that_of_the_neurons_and_their_mirror_images(power, distance):
    weight = torch.randn(6, 5, dtype=torch.float64)
    ours = hyperspherical_energy(weight, power=power, distance=distance, half_space=True)
    doubled = hyperspherical_energy(torch.cat([weight, -weight]), power=power, distance=distance)
    torch.testing.assert_close(ours, doubled)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_relaxed_energy_is_the_power_times_the_logarithmic_energy(power, distance):
    weight = torch.randn(6, 4, dtype=torch.float64)
    relaxed = hyperspherical_energy(weight, power=power, distance=distance, relaxed=True)
    torch.testing.assert_close(relaxed, power * hyperspherical_energy(weight, power=0, distance=distance))


def test_riesz_energy_of_small_power_approaches_the_logarithmic_one():
    # z^-s -> 1 + s log(1/z) (section 3.1)
    weight = torch.randn(6, 4, dtype=torch.float64)
    slope = (hyperspherical_energy(weight, power=1e-6) - 1) / 1e-6
    torch.testing.assert_close(slope, hyperspherical_energy(weight, power=0), rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    scales=st.lists(st.floats(1e-6, 1e6), min_size=5, max_size=5),
    power=st.sampled_from(POWERS),
    distance=st.sampled_from(DISTANCES),
    half_space=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_only_the_directions_count(scales, power, distance, half_space, seed):
    weight = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    settings = {"power": power, "distance": distance, "half_space": half_space}
    expected = hyperspherical_energy(weight, **settings)
    scaled = torch.tensor(scales, dtype=torch.float64)[:, None] * weight
    torch.testing.assert_close(hyperspherical_energy(scaled, **settings), expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(hyperspherical_energy(weight[order], **settings), expected)


def test_gradient_of_a_neuron_is_orthogonal_to_it():
    weight = torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    hyperspherical_energy(weight).backward()
    assert weight.grad is not None
    assert (weight.grad * weight).sum(dim=1).abs().max() < 1e-14


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("power", POWERS)
def test_first_and_second_derivatives_are_right(power, distance, half_space, pair_at):
    close_pair = pair_at(0.15, 3)  # computed by differences
    weight = torch.cat([close_pair, torch.randn(2, 3, dtype=torch.float64)]).requires_grad_()

    def function(w):
        return hyperspherical_energy(w, power=power, distance=distance, half_space=half_space)

    assert torch.autograd.gradcheck(function, weight, eps=1e-7, atol=1e-5, rtol=1e-4)
    assert torch.autograd.gradgradcheck(function, weight, eps=1e-7, atol=1e-3, rtol=1e-3)


def test_hessians_are_those_of_autograd():
    weight = torch.randn(4, 3, dtype=torch.float64)
    reverse = torch.autograd.functional.hessian(hyperspherical_energy, weight)
    direction = torch.randn_like(weight)

    def slope(w):
        return (torch.func.grad(hyperspherical_energy)(w) * direction).sum()

    torch.testing.assert_close(torch.func.grad(slope)(weight), torch.tensordot(reverse, direction, dims=2))


@pytest.mark.parametrize(("n", "e1", "e2", "e0", "a1", "a2", "a0"), EXPECTED_PAIR_ENERGIES)
def test_energy_of_random_directions_is_the_continuous_limit_of_theorem_2(n, e1, e2, e0, a1, a2, a0):
    weight = torch.randn(1500, n)
    for distance, expected in zip(DISTANCES, [(e1, e2, e0), (a1, a2, a0)], strict=True):
        for power, value in zip((1.0, 2.0, 0.0), expected, strict=True):
            measured = hyperspherical_energy(weight, power=power, distance=distance).item()
            assert measured == pytest.approx(value, abs=1e-3)


def test_energy_of_an_antipodal_pair():
    pair = torch.tensor([[2.0, 0.0], [-0.5, 0.0]], dtype=torch.float64)
    assert hyperspherical_energy(pair).item() == pytest.approx(1 / 4)
    assert hyperspherical_energy(pair, reduction="sum").item() == pytest.approx(
        1 / 2
    )  # both orders of the pair
    assert hyperspherical_energy(pair, power=0).item() == pytest.approx(-math.log(2))
    for power in (0.5, 1.0, 2.0):
        angular = hyperspherical_energy(pair, power=power, distance="angular").item()
        assert angular == pytest.approx(math.pi**-power)


@pytest.mark.parametrize("angle", [1e-4, 1e-3, 1e-2, 0.19, 0.21, 1.0])
@pytest.mark.parametrize("distance", DISTANCES)
def test_float32_keeps_its_digits_at_small_distances(angle, distance, pair_at):
    weight = pair_at(angle, 256)
    single = hyperspherical_energy(weight.float(), distance=distance).item()
    assert single == pytest.approx(
        hyperspherical_energy(weight, distance=distance).item(), rel=1e-3 if angle < 1e-3 else 2e-5
    )


DEGENERATE = {
    "coincident": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0, 1.0, 0.0]],
    "parallel": [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 0.0]],
    "one rounding apart": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0000002], [0.0, 1.0, 0.0]],
    "opposite": [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0], [0.0, 1.0, 0.0]],
    "all the same": [[1.0, 1.0, 1.0]] * 4,
    "a zero vector": [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [0.0, 1.0, 0.0]],
    "all zero": [[0.0, 0.0, 0.0]] * 3,
    "tiny": [[1e-30, 0.0, 0.0], [1e-20, 1e-20, 0.0], [0.0, 1.0, 0.0]],
    "one dimension": [[1.0], [-2.0], [3.0]],
}


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_neurons_have_finite_energies_and_gradients(rows, distance, dtype, autocast):
    for power, half_space in itertools.product([0.0, 1.0, 2.0, 5.0], [False, True]):
        weight = torch.tensor(rows, dtype=dtype, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            value = hyperspherical_energy(weight, power=power, distance=distance, half_space=half_space)
            value.backward()
        assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert value.isfinite()
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


def test_a_zero_vector_counts_as_orthogonal_to_all_and_gets_no_gradient():
    weight = torch.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    for distance, expected in zip(DISTANCES, [1 / 2, (math.pi / 2) ** -2], strict=True):
        value = hyperspherical_energy(weight, distance=distance)
        assert value.item() == pytest.approx(expected)
        assert not torch.autograd.grad(value, weight)[0].any()


def test_autocast_does_not_reach_the_energy():
    weight = torch.randn(50, 16)
    outside = hyperspherical_energy(weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(hyperspherical_energy(weight), outside)


def test_half_precision_weights_are_computed_in_float32():
    weight = torch.randn(20, 8).bfloat16().requires_grad_()
    value = hyperspherical_energy(weight)
    assert torch.equal(value, hyperspherical_energy(weight.float()))
    value.backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("distance", DISTANCES)
def test_slabs_bound_the_memory_and_change_nothing_else(distance, half_space, monkeypatch, largest_tensor):
    weight = torch.randn(200, 8, dtype=torch.float64)
    weight[::3] = weight[0]  # more than 2,000 coincident pairs: those are cut into pieces, too
    weight.requires_grad_()

    def value_and_gradient():
        value = hyperspherical_energy(weight, distance=distance, half_space=half_space, power=1.0)
        return value, *torch.autograd.grad(value, weight)

    whole = value_and_gradient()
    monkeypatch.setattr(energy, "PAIRS_AT_ONCE", 4000)
    with largest_tensor:
        in_slabs = value_and_gradient()
    assert largest_tensor.elements <= 2 * 4000 < 200 * 200  # a list of pairs has two integers each
    torch.testing.assert_close(in_slabs, whole, rtol=1e-9, atol=1e-9)


def test_mean_over_all_pairs_is_the_classifier_energy_of_each_class_once():
    weight = torch.randn(40, 8, dtype=torch.float64)
    torch.testing.assert_close(hyperspherical_energy(weight), classifier_energy(weight, torch.arange(40)))


@pytest.mark.parametrize(
    ("weight", "settings", "message"),
    [
        (torch.randn(4, 3, 3, 3), {}, r"weight must be a floating-point tensor \(N, D\).*\(4, 3, 3, 3\)"),
        (torch.ones(4, 3, dtype=torch.long), {}, r"weight must be a floating-point tensor.*torch.int64"),
        (torch.randn(1, 3), {}, r"at least two neurons, got weight of shape \(1, 3\)"),
        (torch.randn(0, 3), {"half_space": True}, r"at least two neurons, got weight of shape \(0, 3\)"),
        (torch.randn(4, 3), {"power": -1.0}, "power must be a finite number >= 0, got -1.0"),
        (torch.randn(4, 3), {"power": math.nan}, "power must be a finite number >= 0, got nan"),
        (
            torch.randn(4, 3),
            {"distance": "cosine"},
            "distance must be 'euclidean' or 'angular', got 'cosine'",
        ),
        (torch.randn(4, 3), {"reduction": "none"}, "reduction must be 'mean' or 'sum', got 'none'"),
        (torch.randn(4, 3), {"relaxed": True, "power": 0}, "relaxed is log f_s .* needs power > 0"),
        (torch.randn(4, 3), {"neuron_weights": torch.ones(3)}, r"neuron_weights must be \(4,\).*\(3,\)"),
        (torch.randn(2, 3), {"neuron_weights": torch.tensor([1.0, 0.0])}, "neuron_weights must be positive"),
        (
            torch.randn(2, 3),
            {"neuron_weights": torch.ones(2), "distance": "angular"},
            "neuron_weights scale the neurons in Eq. .18.* use distance='euclidean'",
        ),
    ],
)
def test_what_is_not_defined_is_refused_by_name(weight, settings, message):
    with pytest.raises(ValueError, match=message):
        hyperspherical_energy(weight, **settings)


def test_one_neuron_in_half_space_has_the_energy_of_a_diameter():
    assert hyperspherical_energy(torch.randn(1, 3), half_space=True).item() == pytest.approx(1 / 4)
