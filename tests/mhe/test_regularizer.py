"""`MHERegularizer` against Eq. (4) written out, over the layers of small models."""

from __future__ import annotations

import copy
from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn

from sphereface_plus.losses import SoftmaxLoss
from sphereface_plus.mhe import (
    EnergyTerm,
    MHERegularizer,
    hyperspherical_energy,
)
from sphereface_plus.mhe.objective import StatefulObjective
from tests.mhe.small_models import gradients, small_model

# (layer's D, N) of CNN-9, and the energy of random directions, the mean of I_2 over its layers
CNN9_LAYERS = [(27, 64), (576, 64), (576, 64), (576, 128), (1152, 128), (1152, 128), (1152, 256), (2304, 256)]
CNN9_LAYERS += [(2304, 256), (4096, 256)]


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("half_space", [False, True])
def test_penalty_is_equation_4(half_space, distance, literal_energy):
    model = small_model().double()
    regularizer = MHERegularizer(
        model, hidden=EnergyTerm(3.0, 1.0, distance, half_space), output=EnergyTerm(0.5, 0.0, distance)
    )
    energies = []
    for layer, power, mirrored in (
        (model[0], 1.0, half_space),
        (model[3], 1.0, half_space),
        (model[5], 0.0, False),
    ):
        weight = layer.weight.flatten(1)
        points = (2 if mirrored else 1) * len(weight)
        energies.append(literal_energy(weight, power, distance, mirrored) / (points * (points - 1)))
    torch.testing.assert_close(regularizer.penalty(), 3.0 * (energies[0] + energies[1]) + 0.5 * energies[2])
    logged = regularizer()
    torch.testing.assert_close(logged, {"mhe/hidden": energies[0] + energies[1], "mhe/output": energies[2]})
    torch.testing.assert_close(regularizer.weighted(logged), regularizer.penalty())
    torch.testing.assert_close(
        regularizer.layer_energies(), dict(zip(("0", "3", "5"), energies, strict=True))
    )


def test_the_terms_of_the_paper_are_the_default():
    regularizer = MHERegularizer(small_model())
    assert regularizer.terms == {"mhe/hidden": EnergyTerm(10.0), "mhe/output": EnergyTerm(1.0)}
    assert EnergyTerm() == EnergyTerm(1.0, 2.0, "euclidean", False, "sum", None, None)


def test_mean_reduction_divides_by_the_number_of_layers():
    model = small_model()
    total, mean = (
        MHERegularizer(model, hidden=EnergyTerm(layer_reduction=reduction))()["mhe/hidden"]
        for reduction in ("sum", "mean")
    )
    torch.testing.assert_close(mean, total / 2)


def test_a_term_of_weight_0_is_logged_and_not_part_of_the_penalty():
    model = small_model()
    regularizer = MHERegularizer(model, hidden=EnergyTerm(0.0), output=EnergyTerm(2.0))
    logged = regularizer()
    assert logged["mhe/hidden"] > 0.5
    torch.testing.assert_close(regularizer.penalty(), 2 * logged["mhe/output"])


def test_a_penalty_of_no_terms_is_a_zero_that_can_be_differentiated():
    model = small_model()
    nothing = MHERegularizer(model, hidden=EnergyTerm(0.0), output=EnergyTerm(0.0)).penalty()
    assert nothing.item() == 0
    nothing.backward()
    assert not any(gradient.any() for gradient in gradients(model))
    abroad = MHERegularizer(small_model().to("meta"), hidden=EnergyTerm(0.0), output=None)
    assert abroad.penalty().device.type == "meta"


def test_grouped_layers_are_the_mean_over_groups_that_each_are_a_layer():
    grouped, transposed = nn.Conv2d(6, 8, 3, groups=2), nn.ConvTranspose2d(8, 6, 2, groups=2)
    model = nn.Sequential(grouped, transposed, nn.Linear(9, 3))
    energies = MHERegularizer(model).layer_energies()
    first, second = grouped.weight.flatten(1).chunk(2)
    expected = (hyperspherical_energy(first) + hyperspherical_energy(second)) / 2
    torch.testing.assert_close(energies["0"], expected)
    first, second = (block.transpose(0, 1).flatten(1) for block in transposed.weight.chunk(2))
    expected = (hyperspherical_energy(first) + hyperspherical_energy(second)) / 2
    torch.testing.assert_close(energies["1"], expected)


def test_layers_with_nothing_to_spread_are_skipped_and_told():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 8, 3),
        nn.Conv2d(8, 1, 1),
        nn.Linear(9, 3),
    )
    regularizer = MHERegularizer(model)
    assert regularizer.skipped == {
        "0": "neurons of one dimension",
        "1": "one neuron a group (depthwise)",
        "3": "one neuron",
    }
    assert regularizer.layer_names == {"mhe/hidden": ["2"], "mhe/output": ["4"]}


def test_layers_are_chosen_by_patterns_and_the_output_layer_by_name():
    model = nn.ModuleDict(
        {
            "stem": nn.Linear(4, 4),
            "block": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)),
            "fc": nn.Linear(4, 3),
        }
    )
    hidden_of = {
        "all": MHERegularizer(model),
        "include": MHERegularizer(model, include="block"),
        "exclude": MHERegularizer(model, exclude=["stem", "*.1"]),
        "both": MHERegularizer(model, include="block", exclude="block.0"),
        "output named": MHERegularizer(model, output_layer="stem"),
        "no output layer": MHERegularizer(model, output_layer=False, output=None),
        "output left out": MHERegularizer(model, output=None),
    }
    assert {key: regularizer.layer_names["mhe/hidden"] for key, regularizer in hidden_of.items()} == {
        "all": ["stem", "block.0", "block.1"],
        "include": ["block.0", "block.1"],
        "exclude": ["block.0"],
        "both": ["block.1"],
        "output named": ["block.0", "block.1", "fc"],
        "no output layer": ["stem", "block.0", "block.1", "fc"],
        "output left out": ["stem", "block.0", "block.1"],
    }
    assert MHERegularizer(model, hidden=None).layer_names == {"mhe/output": ["fc"]}


def test_a_network_and_its_loss_are_one_model():
    network, loss = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)), SoftmaxLoss(10, 4)
    regularizer = MHERegularizer(nn.ModuleDict({"network": network, "loss": loss}))
    assert regularizer.layer_names == {
        "mhe/hidden": ["network.0", "network.2"],
        "mhe/output": ["loss.prototypes"],
    }
    torch.testing.assert_close(regularizer()["mhe/output"], hyperspherical_energy(loss.prototypes))


def test_a_shared_layer_counts_once():
    shared = nn.Linear(4, 4)
    once = MHERegularizer(nn.Sequential(shared, nn.Linear(4, 3)))
    twice = MHERegularizer(nn.Sequential(shared, shared, nn.Linear(4, 3)))
    torch.testing.assert_close(once()["mhe/hidden"], twice()["mhe/hidden"])


def test_a_mini_batch_of_neurons_is_a_function_of_seed_and_step():
    model = small_model()

    def energy(seed: int, step: int) -> float:
        term = EnergyTerm(neurons=4)
        return MHERegularizer(model, hidden=term, output=None, seed=seed)(step)["mhe/hidden"].item()

    assert energy(0, 5) == energy(0, 5)
    assert len({energy(0, 5), energy(0, 6), energy(1, 5)}) == 3


def test_mini_batches_of_neurons_average_to_the_energy():
    model = small_model()
    for half_space in (False, True):
        exact = MHERegularizer(model, hidden=EnergyTerm(half_space=half_space), output=None)
        sampled = MHERegularizer(model, hidden=EnergyTerm(half_space=half_space, neurons=3), output=None)
        estimates = torch.stack([sampled(step)["mhe/hidden"].detach() for step in range(200)])
        error = estimates.mean() - exact()["mhe/hidden"]
        assert error.abs() < 4 * estimates.std() / 200**0.5


def test_random_layers_of_cnn9_have_the_expected_energies():
    # closed forms: the mean of I_2 over the layers is 0.50253, in half-space 0.50143; the optimum of the nine
    # layers with N <= D is the simplex, 0.4961, or the orthonormal set, 0.4990
    model = nn.Sequential(
        *(nn.Linear(d, n, bias=False) for d, n in CNN9_LAYERS), nn.Linear(256, 100, bias=False)
    )
    for layer in model:
        nn.init.kaiming_normal_(layer.weight)
    for half_space, expected, optimum in ((False, 0.50253, 0.4961), (True, 0.50143, 0.4990)):
        term = EnergyTerm(half_space=half_space, layer_reduction="mean")
        measured = MHERegularizer(model, hidden=term)()["mhe/hidden"].item()
        assert measured == pytest.approx(expected, abs=3e-4)
        with torch.no_grad():
            best = copy.deepcopy(model)
            for layer in best:
                n, d = layer.weight.shape
                if n <= d:
                    points = torch.eye(n, d)
                    layer.weight.copy_(points if half_space else points - points.mean(dim=0))
        energies = MHERegularizer(best, hidden=term).layer_energies()
        layers = [energies[str(number)].item() for number, (d, n) in enumerate(CNN9_LAYERS) if n <= d]
        assert len(layers) == 9
        assert sum(layers) / 9 == pytest.approx(optimum, abs=5e-5)


def test_descent_spreads_every_layer():
    model = small_model()
    regularizer = MHERegularizer(model)
    before = regularizer.layer_energies()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(50):
        optimizer.zero_grad()
        regularizer.penalty().backward()
        optimizer.step()
    for name, energy in regularizer.layer_energies().items():
        assert energy < before[name]


class Pull(StatefulObjective):
    """Towards a random direction that turns at each step: enough state to see when and with what it moves."""

    direction: torch.Tensor

    def __init__(self, dimensions: int, *, half_space: bool = False, seed: int) -> None:
        super().__init__(dimensions, half_space)
        self.register_buffer(
            "direction", torch.randn(dimensions, generator=torch.Generator().manual_seed(seed))
        )

    def forward(self, weight):
        return -(weight @ self.direction).mean()

    def _advance(self, neurons, step):
        self.direction += neurons.mean(dim=0)


def test_another_objective_takes_the_energys_place():
    model = small_model()
    term = EnergyTerm(2.0, objective=partial(hyperspherical_energy, power=1.0, half_space=True))
    ours = MHERegularizer(model, hidden=term)
    energy = MHERegularizer(model, hidden=EnergyTerm(2.0, 1.0, half_space=True))
    torch.testing.assert_close(ours.penalty(), energy.penalty())


def test_stateful_objectives_are_one_a_layer_advance_once_a_step_and_are_part_of_the_state():
    model = small_model()
    regularizer = MHERegularizer(model, hidden=EnergyTerm(objective=Pull), output=None)
    assert [objective.dimensions for objective in regularizer.objectives] == [27, 72]
    start = copy.deepcopy(regularizer.state_dict())
    first = regularizer(0)["mhe/hidden"].item()
    assert regularizer(0)["mhe/hidden"].item() == first  # logging does not move the state
    assert regularizer(1)["mhe/hidden"].item() != first
    resumed = MHERegularizer(model, hidden=EnergyTerm(objective=Pull), output=None, seed=3)
    resumed.load_state_dict(start)
    assert resumed(0)["mhe/hidden"].item() == first


def test_the_step_is_asked_for_where_it_matters():
    for term in (EnergyTerm(neurons=4), EnergyTerm(objective=Pull)):
        with pytest.raises(ValueError, match=r"depend on the step: penalty\(step\)"):
            MHERegularizer(small_model(), hidden=term).penalty()


def test_printing_it_shows_the_layers_that_were_found():
    model = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 8, 3), flat=nn.Flatten(), fc=nn.Linear(8, 5)))
    shown = repr(MHERegularizer(model))
    assert "mhe/hidden: conv\n" in shown
    assert "mhe/output: fc\n" in shown
