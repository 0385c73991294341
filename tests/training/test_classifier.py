"""The learner on the tiny network: an update is SGD on loss + weight * energy, however the batch is cut."""

import copy
import weakref

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus import config
from sphereface_plus.data.crops import normalise
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.mhe import classifier_energy
from sphereface_plus.training.energies import Energies
from sphereface_plus.training.failures import NonFiniteError
from tests.training.learners import BATCH, batch, largest_difference, weights


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


def test_without_decay_of_the_prototypes_only_the_network_decays(build):
    settings = {"optimizer.momentum": 0.0, "optimizer.weight_decay": 0.01}
    decaying, kept = build(**settings), build(**settings, **{"optimizer.decay_prototypes": False})
    before = weights(kept)
    for learner in (decaying, kept):
        learner.update(batch(), step=0)
    for name, value in weights(decaying).items():
        pulled = 0.01 * 0.01 * before[name] if name == "loss.prototypes" else 0
        torch.testing.assert_close(weights(kept)[name], value + pulled, rtol=0, atol=1e-7, msg=name)


def test_without_momentum_of_the_prototypes_a_gradient_counts_at_once_what_it_would_in_the_end(build):
    settings = {"optimizer.momentum": 0.75, "optimizer.weight_decay": 0.01}
    with_it, without = build(**settings), build(**settings, **{"optimizer.prototype_momentum": False})
    before = weights(without)
    for learner in (with_it, without):
        learner.update(batch(), step=0)
    for name, value in weights(without).items():
        moved = weights(with_it)[name] - before[name]
        expected = before[name] + (4 * moved if name.startswith("loss.") else moved)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7, msg=name)


def test_prototypes_without_momentum_have_none_in_a_checkpoint(build):
    learner = build(**{"optimizer.prototype_momentum": False})
    learner.update(batch(), step=0)
    state = learner.optimizer.state_dict()["optimizer"]
    kept = {
        tuple(value["momentum_buffer"].shape)
        for value in state["state"].values()
        if "momentum_buffer" in value
    }
    assert kept
    assert tuple(learner.loss.prototypes.shape) not in kept


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


def test_no_product_with_all_prototypes_is_kept_through_the_backward(build):
    heads, alive = [], []

    class Watched(DenseHead):
        def __init__(self, *arguments, **settings) -> None:
            super().__init__(*arguments, **settings)
            heads.append(weakref.ref(self))

    learner = build(**{"train.log_every": 2})
    learner.loss.head = Watched
    learner.loss.prototypes.register_hook(lambda _: alive.append([head() is not None for head in heads]))
    learner.update(batch(parts=2), 1)  # a step that is not measured
    assert alive == [[False], [False, False]]


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
