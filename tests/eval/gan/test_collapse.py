import numpy as np
import pytest

from eval.gan.collapse import of_images, of_log


def noise(count, spread, seed=0):
    values = 128 + np.random.default_rng(seed).normal(0, spread, (count, 8, 8, 3))
    return values.clip(0, 255).astype(np.uint8)


def log(real, fake, loss, count=40):
    return [
        {"step": step, "score_of_real": real, "score_of_fake": fake, "discriminator_loss": loss}
        for step in range(count)
    ]


def test_images_that_are_nearly_alike_are_said_to_be():
    assert of_images(noise(50, 50), noise(50, 60, 1)) == []
    (said,) = of_images(noise(50, 2), noise(50, 60, 1))
    assert said.startswith(
        "its images are nearly alike: over images a pixel's standard deviation is 2.0 of 255"
    )
    assert "over real ones 5" in said


def test_copies_are_counted():
    images = noise(50, 50)
    images[10:13] = images[0]
    assert of_images(images, noise(50, 60, 1)) == [
        "3 of 50 images are exact copies of another: it makes few images"
    ]


@pytest.mark.parametrize(
    ("lines", "loss", "words"),
    [
        (log(0.2, -0.3, 1.2), "standard", None),
        (log(0.2004, 0.2, 1.386), "standard", "the discriminator scores real and generated images alike"),
        (log(9, -9, 0.0005), "standard", "the discriminator tells all generated images from real ones"),
        (log(9, -9, -18.0), "wasserstein", None),  # its loss is no measure of that
        (log(9, -9, 0.0005)[:36] + log(0.2, -0.3, 1.2, 4), "standard", None),  # not at the end
        ([], "standard", None),
        ([{"step": 0, "generator_loss": 1.0}] * 10, "standard", None),
    ],
)
def test_a_log_tells_of_a_discriminator_that_collapsed_or_won(lines, loss, words):
    said = of_log(lines, loss)
    assert said == [] if words is None else said[0].startswith(words)
