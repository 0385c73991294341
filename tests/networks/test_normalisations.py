"""A normalisation, and an adversarial loss, is one file: the tables name it, and nothing else knows of it."""

import typing

import pytest
import torch
from torch import nn

from sphereface_plus.config import ConfigError, gan
from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES, AdversarialLoss
from sphereface_plus.networks.normalisations import NORMALISATIONS, Normalisation
from sphereface_plus.training.gan import check_normalisation
from sphereface_plus.training.gan_collapse import Collapse
from tests.our_imports import LIBRARY, imports_of_all
from tests.training.gan_set import batch_of, gan_config, gan_learner

TABLES = {f"{LIBRARY}.networks.normalisations": NORMALISATIONS, f"{LIBRARY}.losses.gan": ADVERSARIAL_LOSSES}


@pytest.mark.parametrize("table", TABLES)
def test_only_the_table_imports_what_it_names(repository, table):
    files = {f"{table}.{name}" for name in TABLES[table]}
    imports = imports_of_all(repository)
    assert files <= imports.keys()
    importing = {
        module
        for module, names in imports.items()
        for name in names
        if any(name == file or name.startswith(f"{file}.") for file in files)
    }
    assert {module for module in importing if not module.startswith("tests.")} == {table}


def test_recipes_name_what_the_tables_have():
    assert set(typing.get_args(gan.NormalisationName)) == NORMALISATIONS.keys()
    kinds = typing.get_type_hints(gan.GanLossConfig)["kind"]
    assert set(typing.get_args(kinds)) == ADVERSARIAL_LOSSES.keys()


def test_a_new_normalisation_and_a_new_loss_train_by_their_entries_alone(monkeypatch):
    class Halved(nn.Module):
        def forward(self, weight):
            return weight / 2

    def halve(layer):
        nn.utils.parametrize.register_parametrization(layer, "weight", Halved())

    squares = AdversarialLoss(
        lambda real, fake: (real - 1).square().mean() + fake.square().mean(),
        lambda fake: (fake - 1).square().mean(),
    )
    monkeypatch.setitem(NORMALISATIONS, "halved", Normalisation(of_weights=halve))
    monkeypatch.setitem(ADVERSARIAL_LOSSES, "squares", squares)
    settings = gan_config()
    network = settings.network.model_copy(update={"discriminator_normalisation": "halved"})
    loss = settings.loss.model_copy(update={"kind": "squares"})
    learner = gan_learner(settings.model_copy(update={"network": network, "loss": loss}))
    for step in range(2):
        assert torch.isfinite(learner.update(batch_of(seed=step), step)["discriminator_loss"])
    halves = learner.discriminator.score
    assert torch.equal(halves.weight, halves.parametrizations.weight.original / 2)
    collapse, alike = Collapse("squares"), {"score_of_real": 0.0, "score_of_fake": 0.0}
    said = [collapse.warning(step, {"discriminator_loss": 1.0, **alike}) for step in range(0, 250, 50)]
    assert said[:4] == [None] * 4
    assert "real and generated images alike, at a loss of 1.000: neither network learns" in said[4]


@pytest.mark.parametrize("name", [*NORMALISATIONS, "of_weights", "over_batch"])
def test_what_does_not_go_with_a_normalisation_is_refused_by_its_entry(monkeypatch, name):
    monkeypatch.setitem(NORMALISATIONS, "of_weights", NORMALISATIONS["weight"])
    monkeypatch.setitem(NORMALISATIONS, "over_batch", NORMALISATIONS["batch"])

    def refused(loss):
        """Of the new names config knows nothing: model_copy doesn't check them."""
        settings = gan_config(**{"network.discriminator_normalisation": "none", "loss": loss})
        network = settings.network.model_copy(update={"discriminator_normalisation": name})
        try:
            check_normalisation(settings.model_copy(update={"network": network}))
        except ConfigError as error:
            return str(error)
        return None

    assert refused({}) is None
    penalty, clipping = refused({"gradient_penalty": {}}), refused({"weight_clipping": 0.01})
    if name in ("batch", "over_batch"):
        assert f"{name} normalisation makes them depend on each other; set network.discriminator_" in penalty
    else:
        assert penalty is None
    if name in ("weight", "spectral", "of_weights"):
        assert f"network.discriminator_normalisation {name} scales the weights after it" in clipping
    else:
        assert clipping is None
