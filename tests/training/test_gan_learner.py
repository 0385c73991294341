"""The learner of a generator and its discriminator, update by update, against plain steps."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils.parametrizations import _SpectralNorm

from sphereface_plus.data.noise import noise
from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.networks import build_gan
from sphereface_plus.networks.gan_normalisation import raw_weight
from sphereface_plus.training import gan_learner as training_gan_learner
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.gan_average import follow
from tests.training.gan_set import batch_of, gan_config, gan_learner


def tensors(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def differs(before, after):
    return {name for name in before if not torch.allclose(before[name], after[name], 0, 0, equal_nan=True)}


def adams_of(learner):
    return [it.adam for it in learner.adams.values()]


def test_updates_are_those_of_plain_steps_with_torchs_own_spectral_norm():
    """Two steps, G before D in the first: one power iteration an update, of Adam on the formulas as they are
    written."""
    settings = gan_config(**{"average": None, "network.generator_normalisation": "none"})
    learner = gan_learner(settings)
    torch.manual_seed(settings.seed)
    generator, discriminator = build_gan(settings.network, image_size=32)
    rate = {"lr": 1e-4, "betas": (0.5, 0.999), "foreach": False}
    adams = [torch.optim.Adam(network.parameters(), **rate) for network in (generator, discriminator)]
    for step in range(2):
        learner.update(batch_of(seed=step), step)
        real = (batch_of(seed=step)[0][0].permute(0, 3, 1, 2).float() - 127.5) / 127.5
        for update in (0, 1) if step == 0 else (1,):
            for norm in discriminator.modules():
                if isinstance(norm, _SpectralNorm):  # once, then not at each read
                    norm.train()
            for layer in (*discriminator.convolutions, discriminator.score):
                _ = layer.weight
                layer.parametrizations.weight.eval()
            fake = generator(noise(settings.seed, step, update, 8, 5))
            if update == 0:
                loss = -F.logsigmoid(discriminator(fake)).mean()
            else:
                loss = -F.logsigmoid(discriminator(real)).mean()
                loss = loss - torch.log(1 - torch.sigmoid(discriminator(fake.detach()))).mean()
                for layer in discriminator.convolutions:
                    loss = loss + 0.5 * hyperspherical_energy(raw_weight(layer).flatten(1), half_space=True)
            adams[update].zero_grad()
            loss.backward()
            adams[update].step()
    for ours, plain in ((learner.generator, generator), (learner.discriminator, discriminator)):
        expected = plain.state_dict()
        for name, value in ours.state_dict().items():
            # Adam divides by the gradient's size: rounding of tiny ones moves a weight by up to the rate.
            assert torch.allclose(value, expected[name], rtol=1e-4, atol=2e-5), name


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_an_update_is_one_power_iteration_a_layer_with_and_without_mhe(monkeypatch, weight):
    made, method = [], _SpectralNorm._power_method
    learner = gan_learner(gan_config(**{"mhe.weight": weight, "loss": {"gradient_penalty": {}}}))
    monkeypatch.setattr(
        _SpectralNorm, "_power_method", lambda norm, *given: made.append(1) or method(norm, *given)
    )
    learner.update(batch_of(parts=2, size=4), 0)  # both networks are updated, in two parts each
    assert len(made) == 2 * 8
    learner.update(batch_of(parts=2, size=4), 1)
    assert len(made) == 3 * 8
    assert learner.is_healthy(batch_of()[0])
    learner.sampled(torch.zeros(2, 5))
    assert len(made) == 3 * 8


def test_the_generator_learns_in_every_n_dis_th_step_and_the_discriminator_in_each():
    learner = gan_learner(gan_config(n_dis=3))
    for step in range(7):
        before = [dict(learner.generator.named_parameters()), tensors(learner.discriminator)]
        before[0] = {name: value.detach().clone() for name, value in before[0].items()}
        scalars = learner.update(batch_of(seed=step), step)
        assert bool(differs(before[0], dict(learner.generator.named_parameters()))) == (step % 3 == 0)
        assert ("generator_loss" in scalars) == (step % 3 == 0)
        assert differs(before[1], learner.discriminator.state_dict())


def test_parts_of_a_batch_make_the_update_of_the_whole():
    for loss in ({"kind": "hinge"}, {"kind": "wasserstein", "gradient_penalty": {"weight": 10.0}}):
        settings = gan_config(**{"loss": loss, "network.generator_normalisation": "layer", "n_dis": 1})
        whole, parts = gan_learner(settings), gan_learner(settings)
        scalars = whole.update(batch_of(1, 8), 0), parts.update(batch_of(2, 4), 0)
        assert scalars[0].keys() == scalars[1].keys()
        for name, value in scalars[0].items():
            assert float(value) == pytest.approx(float(scalars[1][name]), rel=1e-3, abs=1e-5), name


def test_the_average_follows_the_generator_and_makes_the_samples(monkeypatch):
    learner, then = gan_learner(gan_config(average=0.75)), {}

    def followed(average, network, keep):
        then.update({name: value.clone() for name, value in network.named_buffers()})
        follow(average, network, keep)

    monkeypatch.setattr(training_gan_learner, "follow", followed)
    first = {name: value.detach().clone() for name, value in learner.generator.named_parameters()}
    learner.update(batch_of(), 0)
    mean = dict(learner.average.named_parameters())
    for name, now in learner.generator.named_parameters():
        assert torch.allclose(mean[name], 0.75 * first[name] + 0.25 * now, atol=1e-7), name
    buffers = dict(learner.average.named_buffers())
    assert buffers.keys() == then.keys() != set()
    for name, value in then.items():  # before the discriminator's update ran the generator once more
        assert torch.equal(buffers[name], value), name
    made = learner.sampled(torch.ones(2, 5))  # it takes statistics of its own with them: test_gan_average.py
    assert not any(torch.equal(buffers[name], then[name]) for name in then if "running" in name)
    learner.average.eval()
    assert torch.equal(made, learner.average(torch.ones(2, 5)))


def test_what_is_loaded_goes_on_at_the_rates_of_the_recipe():
    learner = gan_learner(gan_config())
    learner.update(batch_of(), 0)
    gentler = gan_learner(gan_config(**{"discriminator.learning_rate": 1e-5}))
    gentler.load_state_dict(learner.state_dict())
    assert [adam.param_groups[0]["lr"] for adam in adams_of(gentler)] == [1e-4, 1e-5]
    means = [adam.state_dict()["state"][0]["exp_avg"] for adam in (*adams_of(learner), *adams_of(gentler))]
    assert torch.equal(means[0], means[2])
    assert torch.equal(means[1], means[3])


def test_clipping_cuts_the_kernels_after_each_update():
    learner = gan_learner(
        gan_config(**{"loss.weight_clipping": 0.01, "network.discriminator_normalisation": "none"})
    )
    learner.update(batch_of(), 0)
    for convolution in learner.discriminator.convolutions:
        assert convolution.weight.abs().max() == torch.tensor(0.01)
    assert learner.discriminator.score.weight.abs().max() > 0.01


def test_what_is_logged():
    scalars = gan_learner(gan_config(**{"loss.gradient_penalty": {}})).update(batch_of(), 0)
    layers = {f"convolutions_{number}" for number in range(7)}
    assert scalars.keys() == {
        *("generator_loss", "generator_gradient_norm", "discriminator_loss", "discriminator_gradient_norm"),
        *("gradient_penalty", "score_of_real", "score_of_fake", "mhe/energy"),
        *(f"{measure}/{layer}" for measure in ("energy", "half_space_energy") for layer in layers),
    }
    total = sum(float(scalars[f"half_space_energy/{layer}"]) for layer in layers)
    assert float(scalars["mhe/energy"]) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_a_loss_that_is_not_finite_stops_before_its_network_changes(name):
    learner = gan_learner(gan_config(average=None))
    weights = learner.generator.image.bias if name == "generator" else learner.discriminator.score.bias
    step = 0 if name == "generator" else 1
    weights.data.fill_(float("nan"))
    before = tensors(getattr(learner, name))
    with pytest.raises(NonFiniteError, match=f"step {step}: the {name}'s loss is not finite"):
        learner.update(batch_of(), step)
    changed = differs(before, getattr(learner, name).state_dict())
    assert all("running" in it or "num_batches" in it or it.endswith(("_u", "_v")) for it in changed)
    assert not learner.is_healthy(batch_of()[0])


def test_a_discriminator_that_fails_after_the_generators_update_says_so(monkeypatch):
    learner = gan_learner(gan_config(average=None))
    monkeypatch.setattr(learner, "_scores_of_both", lambda real, fake: (torch.full((8,), torch.nan),) * 2)
    monkeypatch.setattr(learner.adams["discriminator"], "backward", lambda loss: None)
    monkeypatch.setattr(learner.adams["discriminator"], "unscale", lambda: torch.tensor(1.0))
    before = tensors(learner.generator)
    words = "step 0: the discriminator's loss is not finite, after the generator's update of this step, which"
    with pytest.raises(NonFiniteError, match=words):
        learner.update(batch_of(), 0)
    assert "image.weight" in differs(before, learner.generator.state_dict())


def test_mhe_lowers_the_half_space_energy_of_the_weights():
    def energies(weight):
        learner = gan_learner(gan_config(**{"mhe.weight": weight, "discriminator.learning_rate": 1e-3}))
        for step in range(3):
            learner.update(batch_of(seed=step), step)
        return float(learner.energy.measure(0)["mhe/energy"])

    assert energies(100.0) < energies(0.0) - 0.01


def test_a_larger_batch_of_the_generators_is_of_its_updates_alone(monkeypatch):
    learner = gan_learner(gan_config(**{"generator_batch": 12, "average": None}))
    made, forward = [], learner.generator.forward
    monkeypatch.setattr(learner.generator, "forward", lambda noise: made.append(noise) or forward(noise))
    learner.update(batch_of(parts=2, size=4), 0)
    assert [len(noise) for noise in made] == [6, 6, 4, 4]  # the generator's update, the discriminator's
    assert torch.equal(torch.cat(made[:2]), noise(4, 0, 0, 12, 5))
    assert torch.equal(torch.cat(made[2:]), noise(4, 0, 1, 8, 5))


def test_both_rates_fall_linearly_to_0_as_a_function_of_the_step():
    learner = gan_learner(gan_config(**{"decay_steps": 8, "generator.learning_rate": 2e-4}))
    rates = []
    for step in (0, 2, 6):
        learner.update(batch_of(), step)
        rates.append([adam.param_groups[0]["lr"] for adam in adams_of(learner)])
    assert rates == [pytest.approx([2e-4 * left, 1e-4 * left]) for left in (1, 0.75, 0.25)]


def in_fp16(**changes):
    """A learner in fp16 on the CPU, which recipes may not ask for: it is emulated there."""
    settings = gan_config(**changes)
    return gan_learner(settings.model_copy(update={"train": settings.train.model_copy(update=FP16)}))


FP16 = {"precision": "fp16"}


def test_fp16_makes_nearly_the_updates_of_fp32_with_scaled_losses():
    changes = {"loss": {"gradient_penalty": {}}, "average": None}
    exact, short = gan_learner(gan_config(**changes)), in_fp16(**changes)
    for step in range(2):
        one, other = exact.update(batch_of(seed=step), step), short.update(batch_of(seed=step), step)
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert float(other[name]) == pytest.approx(float(value), rel=0.02, abs=2e-3), name
    state = short.state_dict()["loss_scaling"]
    assert state["generator"]["scale"] == state["discriminator"]["scale"] == 2.0**16
    assert "loss_scaling" not in exact.state_dict()


def test_losses_that_are_scaled_too_far_cost_an_update_and_then_less_scale():
    learner = in_fp16(average=None)
    for adam in learner.adams.values():
        adam.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = tensors(learner.discriminator)
    scalars = learner.update(batch_of(), 0)
    assert "discriminator_loss" in scalars
    assert "discriminator_gradient_norm" not in scalars
    changed = differs(before, learner.discriminator.state_dict())
    assert all(name.endswith(("_u", "_v")) for name in changed)
    assert learner.adams["discriminator"].scaler.get_scale() == 2.0**126
    other = in_fp16(average=None)
    other.load_state_dict(learner.state_dict())
    assert other.adams["generator"].scaler.get_scale() == 2.0**126
    for adam in learner.adams.values():
        adam.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    learner.discriminator.score.bias.data.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="step 1: the discriminator's loss is not finite"):
        learner.update(batch_of(), 1)


def test_beside_bf16_the_gradient_penalty_stays_in_fp32(monkeypatch):
    learner = gan_learner(gan_config(**{"loss": {"gradient_penalty": {}}, "train.precision": "bf16"}))
    seen, forward = [], learner.discriminator.score.forward

    def spied(maps):
        seen.append((maps.dtype, torch.is_autocast_enabled("cpu")))
        return forward(maps)

    monkeypatch.setattr(learner.discriminator.score, "forward", spied)
    learner.update(batch_of(), 1)
    assert seen == [(torch.bfloat16, True), (torch.float32, False)]  # of the loss, of the penalty


def test_compiled_networks_make_the_updates_of_eager_ones_in_one_compilation_each(monkeypatch):
    """Also beside a gradient penalty, which is differentiated twice, as nothing compiled can be. By the
    compiler up to its last step, C++, which takes half a minute and more."""
    in_place = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: in_place(network, backend="aot_eager"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    changes = {"loss": {"gradient_penalty": {}}, "n_dis": 1}
    eager, compiled = gan_learner(gan_config(**changes)), gan_learner(gan_config(**changes, **COMPILED))
    for step in range(2):
        one, other = eager.update(batch_of(seed=step), step), compiled.update(batch_of(seed=step), step)
        for name, value in one.items():
            assert float(other[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    assert torch.allclose(eager.sampled(torch.ones(2, 5)), compiled.sampled(torch.ones(2, 5)), atol=1e-5)
    assert compiled.is_healthy(batch_of()[0])
    counters = torch._dynamo.utils.counters
    assert counters["frames"]["total"] == counters["frames"]["ok"] <= 4
    assert not counters["graph_break"]
    assert eager.state_dict()["generator"].keys() == compiled.state_dict()["generator"].keys()


COMPILED = {"train.compile": True}
