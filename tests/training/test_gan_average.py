"""The average of a generator: its weights follow, its running statistics are those of its own maps."""

import copy

import pytest
import torch

from sphereface_plus.data.noise import statistics_noise
from sphereface_plus.training.gan_average import follow, take_statistics
from tests.training.gan_set import batch_of, gan_config, gan_learner


def test_statistics_are_the_means_over_the_batches():
    generator = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4, momentum=0.3))
    batches = [torch.randn(8, 3) for _ in range(3)]
    for number in range(2):  # whatever they were before
        take_statistics(generator, batches[number:])
    maps = torch.stack([generator[0](batch).detach() for batch in batches[1:]])
    assert torch.allclose(generator[1].running_mean, maps.mean(dim=1).mean(dim=0), atol=1e-6)
    assert torch.allclose(generator[1].running_var, maps.var(dim=1).mean(dim=0), atol=1e-6)
    assert generator[1].momentum == 0.3
    assert not generator.training


def test_another_draw_of_the_noise_hardly_changes_the_images():
    """Of the pair that normalises units before they are maps: each sees one number an image."""
    learner = gan_learner(gan_config(**{"network.name": "chainer_gan_lib"}))
    made = []
    for seed in (1, 2):
        take_statistics(learner.generator, (statistics_noise(seed, batch, 64, 5) for batch in range(16)))
        with torch.no_grad():
            made.append(learner.generator(statistics_noise(3, 0, 64, 5)))
    units = learner.generator.dense(statistics_noise(4, 0, 20_000, 5)).detach()
    norm = learner.generator.dense_norm
    assert torch.allclose(norm.running_var, units.var(dim=0), rtol=0.1)
    assert float(units.mean(dim=0).square().mean()) < 1e-3 * float(norm.running_var.mean())
    assert not norm.running_mean.any()
    assert float((made[0] - made[1]).square().mean().sqrt() / made[0].std(dim=0).mean()) < 0.03


def test_early_samples_of_a_slow_average_have_the_spread_of_the_generators_own():
    """With the generator's statistics instead they are flatter by far."""
    learner = gan_learner(gan_config(**{"average": 0.999, "generator.learning_rate": 0.02, "n_dis": 1}))
    for step in range(12):
        learner.update(batch_of(seed=step), step)
    noise = statistics_noise(1, 0, 64, 5)
    stale = copy.deepcopy(learner.generator)
    follow(stale, learner.generator, 1.0)  # the buffers alone
    stale.load_state_dict({**dict(stale.named_buffers()), **dict(learner.average.named_parameters())})
    with torch.no_grad():
        flat = float(stale.eval()(noise).std(dim=0).mean())
    ours = float(learner.sampled(noise).std(dim=0).mean())
    learner.average.train()
    with torch.no_grad():
        by_batch = float(learner.average(noise).std(dim=0).mean())
    assert ours == pytest.approx(by_batch, rel=0.15)
    assert flat < 0.7 * ours


def test_a_checkpoint_holds_the_statistics_that_the_samples_were_made_with():
    learner = gan_learner(gan_config(average=0.9))
    learner.update(batch_of(), 0)
    made = learner.sampled(torch.ones(2, 5))
    other = gan_learner(gan_config(average=0.9))
    other.load_state_dict(learner.state_dict())
    assert torch.equal(other.average.eval()(torch.ones(2, 5)), made)
