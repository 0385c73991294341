import numpy as np
import pytest

from eval.gan.collapse import of_images, of_log


def noise(count, spread, seed=0):
    values = 128 + np.random.default_rng(seed).normal(0, spread, (count, 8, 8, 3))
    return values.clip(0, 255).astype(np.uint8)


def log(real, fake, loss, count=40):
    """A line every 20 steps."""
    scores = {"score_of_real": real, "score_of_fake": fake, "discriminator_loss": loss}
    return [{"step": 20 * number, **scores} for number in range(count)]


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
        (log(0.2, -0.3, 1.2), "standard", []),
        (
            log(0.0004, 0, 1.3863),
            "standard",
            [
                "since step 0 the discriminator has scored real and generated images alike, at a loss of "
                "1.386: neither network learns"
            ],
        ),
        (log(9, -9, -18.0), "wasserstein", []),  # its loss says nothing of that
        ([], "standard", []),
        ([{"step": 20 * number, "energy/score": 1.0} for number in range(40)], "standard", []),
    ],
)
def test_a_log_says_what_its_training_warned_of(lines, loss, words):
    assert of_log(lines, loss) == words


def test_a_discriminator_that_makes_no_mistake_is_said_to():
    (said,) = of_log(log(9, -9, 0.0005), "standard")
    assert said.startswith("since step 0 the discriminator has told real and generated images apart")
