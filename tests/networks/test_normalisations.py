"""A normalisation, and an adversarial loss, is one file: the tables name it, and nothing else knows of it."""

import typing

import pytest
import torch
from torch import nn

from sphereface_plus.config import gan
from sphereface_plus.losses.gan import ADVERSARIAL_LOSSES, AdversarialLoss
from sphereface_plus.networks.normalisations import NORMALISATIONS, Normalisation
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
