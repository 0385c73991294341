"""What is said of a generator or discriminator that no longer learns, and that nothing is said of others."""

import json
import math

import pytest

from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES, AdversarialLoss
from sphereface_plus.training.gan_collapse import Collapse


def said(loss, numbers, steps=range(0, 400, 50)):
    """What a run says whose log has these numbers at these steps, by step."""
    collapse = Collapse(loss)
    found = {step: collapse.warning(step, numbers(step)) for step in steps}
    return {step: words for step, words in found.items() if words is not None}


def scalars(loss=1.0, real=0.5, fake=-0.5, gradient=0.1):
    return {
        "discriminator_loss": loss,
        "score_of_real": real,
        "score_of_fake": fake,
        "generator_gradient_norm": gradient,
    }


@pytest.mark.parametrize(("loss", "level"), [("standard", 2 * math.log(2)), ("hinge", 2), ("wasserstein", 0)])
def test_a_discriminator_that_scores_all_alike_is_named_once(loss, level):
    words = said(loss, lambda step: scalars(level, 0.2e-4, 0.1e-4))
    assert list(words) == [200]
    assert words[200].startswith(
        "warning: collapse: since step 0 the discriminator has scored real and generated images alike, at a "
        f"loss of {level:.3f}: neither network learns. Try a higher discriminator.learning_rate"
    )
    assert words[200].endswith("earlier checkpoints and samples stay as they are")


def test_a_perfect_discriminator_is_named_and_a_negative_wasserstein_loss_is_none():
    words = said("hinge", lambda step: scalars(0.0 if step >= 100 else 1.0))
    assert list(words) == [300]
    assert "since step 100 the discriminator has told real and generated images apart without" in words[300]
    assert said("wasserstein", lambda step: scalars(-5.0)) == {}


def test_a_perfect_discriminator_is_measured_from_its_losss_own_least(monkeypatch):
    smoothed = AdversarialLoss(lambda real, fake: real.mean() + 2, lambda fake: fake.mean(), least=0.65)
    monkeypatch.setitem(ADVERSARIAL_LOSSES, "smoothed", smoothed)
    assert "(loss within 0.001 of its least)" in said("smoothed", lambda step: scalars(0.6502))[200]
    assert said("smoothed", lambda step: scalars(0.66)) == {}


def test_a_generator_without_a_gradient_is_named():
    words = said("standard", lambda step: scalars(gradient=0.0))
    assert list(words) == [200]
    assert "since step 0 the generator has had no gradient: it no longer learns. Try a low" in words[200]


def test_what_learns_or_comes_back_is_left_alone():
    level = 2 * math.log(2)
    assert said("standard", lambda step: scalars()) == {}
    assert said("standard", lambda step: scalars(level, 0.0, 0.0) if step % 200 else scalars()) == {}
    assert said("standard", lambda step: {"energy/convolutions_0": 1.0}) == {}
    assert said("standard", lambda step: scalars(level, 0, 0), steps=range(0, 400, 100)) == {}  # four values


def test_what_was_seen_is_plain_data_that_another_one_goes_on_from():
    level = 2 * math.log(2)
    whole, first, then = (Collapse("standard") for _ in range(3))
    for step in (0, 50, 100):
        for collapse in (whole, first):
            assert collapse.warning(step, scalars(level, 0.0, 0.0)) is None
    then.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for step in (150, 200, 250):
        numbers = scalars(level, 0.0, 0.0)
        assert then.warning(step, numbers) == whole.warning(step, numbers)
    assert then.state_dict() == whole.state_dict()
    assert then.state_dict()["blind"] == {"first": 0, "values": 6, "said": True}
