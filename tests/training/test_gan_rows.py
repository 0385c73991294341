"""The rows of Table 14 as docs/gan.md gives them, on each pair of networks: they learn, and go on exactly."""

import re

import pytest
import torch
import yaml

from sphereface_plus import config
from tests.training.gan_set import batch_of, gan_learner
from tests.training.test_gan_learner import differs, tensors

SMALL = ("seed=3", "network.width=2", "network.noise_size=5", "train.batch_size=8", "train.log_every=1")
SMALL += ("train.precision=fp32", "train.device=cpu")
ROWS = ("Weight clipping", "GAN-gradient penalty", "WGAN-GP", "Batch Normalization", "Layer Normalization")
ROWS += ("Weight Normalization", "Orthonormal", "SN-GANs", "MHE", "MHE + SN")
PAIRS = ("sngan_table3", "chainer_gan_lib", "sngan_resnet")


@pytest.fixture
def settings_of(repository):
    """settings_of(row, pair): of a row in docs/gan.md, in small."""
    text = (repository / "docs" / "gan.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| ([^|]+) \| `([^`]*=[^`]*)` \|$", text, re.MULTILINE))
    assert tuple(documented) == ROWS

    def settings_of(row, pair):
        changes = [*documented[row].split(), *SMALL, f"network.name={pair}"]
        made = config.load(repository / "configs" / "gan" / "sngan_b.yaml", changes)
        assert isinstance(made, config.GanConfig)
        return made

    return settings_of


def test_the_documented_rows_are_those_of_the_table(repository, settings_of):
    rows = yaml.safe_load((repository / "configs/paper/table14.yaml").read_text(encoding="utf-8"))["rows"]
    assert tuple(rows) == ("Baseline GAN", *ROWS)
    for row in ROWS:
        made = config.load(repository / "configs/gan/sngan_b.yaml", [*rows[row], *SMALL])
        assert made == settings_of(row, "sngan_table3"), row


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_learns_in_two_steps_and_goes_on_bit_for_bit(settings_of, row, pair):
    learner = gan_learner(settings_of(row, pair))
    before = {**tensors(learner.generator), **tensors(learner.discriminator)}
    kept = None
    for step in range(3):
        scalars = learner.update(batch_of(seed=step), step)
        assert all(torch.isfinite(value) for value in scalars.values())
        if step == 1:
            kept = torch_copy(learner.state_dict())
    after = {**learner.generator.state_dict(), **learner.discriminator.state_dict()}
    # The singular vector of one score is always 1; a number added to all scores is not Wasserstein's matter.
    still = {"score.parametrizations.weight.0._u"} | ({"score.bias"} if row == "WGAN-GP" else set())
    assert differs(before, after) | still >= before.keys()
    assert learner.is_healthy(batch_of()[0])
    other = gan_learner(settings_of(row, pair))
    other.load_state_dict(kept)
    other.update(batch_of(seed=2), 2)
    assert_equal(other.state_dict(), learner.state_dict())


def torch_copy(tree):
    """Nothing of it changes with what it was taken of."""
    if isinstance(tree, torch.Tensor):
        return tree.clone()
    return {key: torch_copy(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def assert_equal(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    else:
        assert one == other


def test_the_orthonormal_row_starts_orthonormal_and_its_penalty_is_brocks(settings_of):
    learner = gan_learner(settings_of("Orthonormal", "sngan_resnet"))
    penalty = 0.0
    for layer in learner.discriminator.modules():
        if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
            continue
        matrix = layer.weight.detach().flatten(1)
        assert torch.allclose(torch.linalg.svdvals(matrix), torch.ones(min(matrix.shape)), atol=1e-5)
        # |W^T W - I|^2 is larger by a constant where W has fewer neurons than dimensions.
        literal = (matrix.T @ matrix - torch.eye(matrix.shape[1])).square().sum()
        penalty += float(literal) - (matrix.shape[1] - matrix.shape[0])
    assert float(learner.energy.orthonormal_penalty().detach()) == pytest.approx(penalty, abs=1e-4)
    plain = gan_learner(settings_of("SN-GANs", "sngan_resnet"))
    assert plain.energy.penalty(0) is None
    term = learner.energy.penalty(0)
    assert float(term.detach()) == pytest.approx(1e-4 * penalty, abs=1e-8)


def test_the_released_energy_is_the_preset_up_to_its_normaliser_and_guard(repository):
    """MHE-GAN's libs/ops.py, literally: columns of [W; -W], the mean of the upper triangle over all N^2
    entries, added once for real and once for generated images."""
    file = repository / "configs" / "gan" / "released_full_space_mhe_sn.yaml"
    settings = config.load(file, [*SMALL, "network.width=16"])
    learner = gan_learner(settings)
    released = 0.0
    for layer in learner.energy.layers.values():
        weight = layer.weight.detach().flatten(1).T.double()  # (inputs, neurons)
        number = weight.shape[1]
        stacked = torch.cat([weight, -weight])
        unit = stacked / (stacked.square().sum(dim=0, keepdim=True) + 1e-4).sqrt()
        upper = torch.triu(2 - 2 * unit.T @ unit, diagonal=1)
        terms = -torch.log(upper + 1e-4)
        constant = (number * (number + 1) / 2) * -torch.log(torch.tensor(1e-4)).item()
        # The rest of the matrix is a constant, log(1e-4), and has no gradient.
        released += 2 * 1e-7 * float(terms.sum() - constant) / number**2
    with torch.no_grad():
        energies = learner.energy.regularizer.layer_energies()
    sizes = {name: layer.weight.shape[0] for name, layer in learner.energy.layers.items()}
    ours = sum(
        settings.mhe.weight * float(energy) * (sizes[name] - 1) / sizes[name]
        for name, energy in energies.items()
    )
    assert ours == pytest.approx(released, rel=2e-3)
    assert float(learner.energy.penalty(0).detach()) == pytest.approx(released, rel=0.07)  # (N - 1) / N
