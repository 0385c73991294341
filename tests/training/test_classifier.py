"""The learner on the tiny network: an update is SGD on loss + weight * energy, however the batch is cut."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus import config
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses import build_loss
from sphereface_plus.mhe import classifier_energy
from sphereface_plus.networks import build_network
from sphereface_plus.processes import Processes
from sphereface_plus.training.classifier import ClassifierLearner
from sphereface_plus.training.energies import Energies, PrototypeEnergy
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.network import TrainedNetwork
from sphereface_plus.training.sgd import ScheduledSGD

IDENTITIES, BATCH = 6, 8
ALONE = Processes(0, 1, torch.device("cpu"))


def batch(parts=1):
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(0, 256, (BATCH, 32, 32, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, IDENTITIES, (BATCH,), generator=generator)
    return list(zip(crops.chunk(parts), labels.chunk(parts), strict=True))


@pytest.fixture
def build(tiny):
    """build(**changed settings) -> a learner with the same initial weights each time."""

    def make(processes=ALONE, **changes) -> ClassifierLearner:
        settings: config.FaceConfig = tiny(**changes)
        torch.manual_seed(0)
        network = build_network(settings.network)
        loss = build_loss(
            settings.loss, num_identities=IDENTITIES, embedding_size=settings.network.embedding_size
        )
        train = settings.train
        trained = TrainedNetwork(
            network,
            partial(normalise, spec=settings.network.input),
            processes,
            precision=train.precision,
            channels_last=train.channels_last,
            compile=train.compile,
        )
        return ClassifierLearner(
            trained,
            loss,
            energies=PrototypeEnergy(loss, settings.mhe, log_every=train.log_every),
            optimizer=ScheduledSGD(network, loss, settings.optimizer, precision=train.precision),
            processes=processes,
            measure_every=train.log_every,
        )

    return make


def weights(learner):
    modules = {"network": learner.network.module, "loss": learner.loss}
    return {name: v.clone() for name, v in torch.nn.ModuleDict(modules).state_dict().items()}


def largest_difference(first, second):
    return max((first[name] - second[name]).abs().max().item() for name in first)


def in_float64(learner):
    """The learner, whose network and loss compute in float64 from now on."""
    network = learner.network.module.double()
    learner.loss.double()
    prepare = learner.network.prepare
    learner.network.embed = lambda crops: network(prepare(crops).double())  # not cast to float32
    return learner


def test_an_update_is_sgd_with_caffes_multipliers_on_loss_plus_weighted_energy(build):
    learner = build(**{"mhe.weight": 3.0, "optimizer.momentum": 0.0, "optimizer.weight_decay": 0.01})
    network, loss = copy.deepcopy((learner.network.module, learner.loss))
    [(crops, labels)] = batch()
    learner.update([(crops, labels)], step=0)
    embeddings = network(normalise(crops, config.InputSpec(height=32, width=32)))
    total = loss(embeddings, labels, 0).loss + 3.0 * classifier_energy(loss.prototypes, labels)
    total.backward()
    after = weights(learner)
    for name, parameter in torch.nn.ModuleDict({"network": network, "loss": loss}).named_parameters():
        rate, decay = (0.02, 0.0) if name.endswith("bias") else (0.01, 0.01)
        expected = parameter - rate * (parameter.grad + decay * parameter)
        assert torch.allclose(after[name], expected, atol=1e-6), name


def test_logged_loss_is_the_weighted_sum_and_the_energy_is_logged_unweighted(build):
    learner = build(**{"mhe.weight": 3.0})
    prototypes = learner.loss.prototypes.detach().clone()
    scalars = learner.update(batch(), step=0)
    energy = classifier_energy(prototypes, batch()[0][1])
    assert float(scalars["mhe/energy"]) == pytest.approx(float(energy))
    assert float(scalars["loss"]) == pytest.approx(
        float(scalars["classification_loss"]) + 3.0 * float(energy), rel=1e-6
    )


def test_energy_is_logged_without_mhe_too_and_changes_nothing_there(build):
    scalars = build(**{"mhe.weight": 0.0}).update(batch(), step=0)
    assert float(scalars["loss"]) == float(scalars["classification_loss"])
    assert float(scalars["mhe/energy"]) > 0


def test_accuracy_and_cross_entropy_are_logged_of_the_logits_without_margin(build):
    learner = build()
    network, loss = copy.deepcopy((learner.network.module, learner.loss))
    [(crops, labels)] = batch()
    scalars = learner.update(batch(), step=0)
    embeddings = network(normalise(crops, config.InputSpec(height=32, width=32)))
    logits = (embeddings @ F.normalize(loss.prototypes).T).detach()
    right = sum(int(row.argmax() == label) for row, label in zip(logits, labels, strict=True))
    assert float(scalars["accuracy_without_margin"]) == pytest.approx(right / BATCH)
    probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    expected = -probabilities[torch.arange(BATCH), labels].log().mean()
    assert float(scalars["cross_entropy_without_margin"]) == pytest.approx(float(expected), rel=1e-5)


class Shrinking(Energies):
    """A penalty on the weights that counts how often it is asked for, and learns that number."""

    def __init__(self, loss):
        self.loss, self.asked = loss, 0

    def of_weights(self, step):
        self.asked += 1
        return 0.5 * self.loss.prototypes.square().sum()

    def state_dict(self):
        return {"asked": self.asked}

    def load_state_dict(self, state):
        self.asked = state["asked"]


def test_energies_of_the_weights_are_computed_once_an_update(build):
    whole, cut = build(), build()
    for learner, parts in ((whole, 1), (cut, 4)):
        learner.energies = Shrinking(learner.loss)
        scalars = [learner.update(batch(parts), step) for step in range(3)]
        assert learner.energies.asked == 3
        penalty = float(scalars[0]["loss"]) - float(scalars[0]["classification_loss"])
        assert penalty == pytest.approx(0.5 * build().loss.prototypes.square().sum().item(), rel=1e-5)
    assert largest_difference(weights(whole), weights(cut)) < 1e-6


def test_what_energies_have_learnt_is_in_the_state_and_older_states_lack_it(build):
    first, second = build(), build()
    assert "energies" not in first.state_dict()
    for learner in (first, second):
        learner.energies = Shrinking(learner.loss)
    first.update(batch(), 0)
    state = copy.deepcopy(first.state_dict())
    second.load_state_dict(state)
    assert second.energies.asked == 1
    del state["energies"]
    second.load_state_dict(state)
    assert second.energies.asked == 1


def test_measuring_does_not_change_the_update(build):
    measured, plain = build(**{"train.log_every": 1}), build(**{"train.log_every": 2})
    assert "mhe/energy" in measured.update(batch(), step=1)
    assert "mhe/energy" not in plain.update(batch(), step=1)
    assert largest_difference(weights(measured), weights(plain)) == 0


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_parts_make_the_update_of_the_whole_batch(build, parts):
    whole, cut = build(), build()
    for step in range(3):
        whole_scalars = whole.update(batch(), step)
        cut_scalars = cut.update(batch(parts), step)
    assert largest_difference(weights(whole), weights(cut)) < 1e-6
    for name, value in whole_scalars.items():
        assert float(cut_scalars[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name


def test_learning_rate_of_every_group_follows_the_schedule(build):
    learner = build(**{"optimizer.milestones": [5]})
    for step, rate in ((4, 0.01), (5, 0.001)):
        assert learner.update(batch(), step)["learning_rate"] == pytest.approx(rate)
        for group in learner.optimizer.sgd.param_groups:
            assert group["lr"] == pytest.approx(rate * group["lr_multiplier"])


def test_clipping_scales_the_whole_gradient_to_the_norm(build):
    settings = {"optimizer.momentum": 0.0, "optimizer.weight_decay": 0.0, "optimizer.learning_rate": 1.0}
    learner = build(**settings, **{"optimizer.clip_norm": 0.01})
    scalars = learner.update(batch(), step=0)
    assert float(scalars["gradient_norm"]) > 0.01  # as it was before clipping
    gradient = torch.cat([parameter.grad.flatten() for parameter in learner.optimizer.parameters])
    assert float(gradient.norm()) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("channels_last", [False, True])
def test_bf16_runs_the_network_under_autocast_and_the_loss_in_fp32(build, channels_last):
    settings = {"train.channels_last": channels_last}
    exact, rounded = build(**settings), build(**settings, **{"train.precision": "bf16"})
    seen = {}
    rounded.network.module.stages[0].down.register_forward_hook(
        lambda module, inputs, output: seen.update(network=output.dtype)
    )
    rounded.loss.register_forward_pre_hook(
        lambda module, inputs: seen.update(loss=inputs[0].dtype, autocast=torch.is_autocast_enabled("cpu"))
    )
    expected, got = exact.update(batch(), 0), rounded.update(batch(), 0)
    assert seen == {"network": torch.bfloat16, "loss": torch.float32, "autocast": False}
    assert float(got["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-2)
    assert float(got["loss"]) != float(expected["loss"])


def test_memory_layout_changes_no_number_beyond_rounding(build):
    """Rounding is what float32 itself is off: the distance to the same three updates in float64."""
    first, second = build(**{"train.channels_last": False}), build(**{"train.channels_last": True})
    exact = in_float64(build())
    for step in range(3):
        for learner in (first, second, exact):
            learner.update(batch(), step)
    rounding = largest_difference(weights(first), weights(exact))
    assert 0 < rounding < 1e-4
    assert largest_difference(weights(second), weights(exact)) < 4 * rounding


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_non_finite_numbers_stop_before_the_weights_change(build, where):
    learner = build()
    before = weights(learner)
    if where == "loss":
        learner.network.prepare = lambda crops: torch.full((len(crops), 3, 32, 32), float("nan"))
    else:
        parameter = learner.network.module.embed.weight
        parameter.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NonFiniteError, match=f"step 4: the {where} is not finite"):
        learner.update(batch(), step=4)
    assert largest_difference(before, weights(learner)) == 0


def test_state_dict_carries_momentum(build):
    whole, first, second = build(), build(), build()
    for step in range(4):
        whole.update(batch(), step)
    for step in range(2):
        first.update(batch(), step)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in range(2, 4):
        second.update(batch(), step)
    assert largest_difference(weights(whole), weights(second)) == 0


def test_embedding_for_validation_leaves_the_network_in_training_mode(build):
    learner = build()
    with torch.inference_mode():
        embeddings = learner.embed(learner.network.prepare(batch()[0][0]))
    assert embeddings.shape == (BATCH, 16)
    assert learner.network.module.training


@pytest.mark.slow
def test_compiled_network_makes_the_same_update_under_the_same_names(build):
    plain, compiled = build(), build(**{"train.compile": True})
    plain.update(batch(), 0)
    compiled.update(batch(), 0)
    assert list(plain.state_dict()["network"]) == list(compiled.state_dict()["network"])
    assert largest_difference(weights(plain), weights(compiled)) < 1e-5


def test_fp16_makes_nearly_the_update_of_fp32_and_its_state_carries_the_scale(build):
    exact, scaled = build(), build(**{"train.precision": "fp16"})
    scaled.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
    expected = [exact.update(batch(), step) for step in range(3)]
    got = [scaled.update(batch(), step) for step in range(3)]
    assert [float(scalars["loss_scale"]) for scalars in got] == [2.0**10, 2.0**10, 2.0**11]
    for ours, theirs in zip(got, expected, strict=True):
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-2)
        assert float(ours["gradient_norm"]) == pytest.approx(float(theirs["gradient_norm"]), rel=2e-2)
    again = build(**{"train.precision": "fp16"})
    again.load_state_dict(copy.deepcopy(scaled.state_dict()))
    assert again.optimizer.scaler.get_scale() == 2.0**11
    scaled.update(batch(), 3)
    again.update(batch(), 3)
    assert largest_difference(weights(scaled), weights(again)) == 0


def test_a_scale_that_is_too_large_costs_a_step_and_is_halved(build):
    learner = build(**{"train.precision": "fp16"})
    learner.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    before = weights(learner)
    scalars = learner.update(batch(), 0)
    assert largest_difference(before, weights(learner)) == 0
    assert "gradient_norm" not in scalars
    assert learner.optimizer.scaler.get_scale() == 2.0**39
    assert not learner.optimizer.sgd.state  # no momentum of a step that was not made


def test_a_gradient_that_is_infinite_unscaled_has_diverged(build):
    learner = build(**{"train.precision": "fp16"})
    learner.optimizer.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    learner.network.module.embed.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NonFiniteError, match="step 4: the gradient is not finite"):
        learner.update(batch(), 4)
