"""The layers of models: found by themselves, named as in the bare model, each weight once."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrizations

from sphereface_plus.losses import SoftmaxLoss
from sphereface_plus.mhe.layers import find_layers, find_output_layer, matching

# torchvision model -> (its layers with neurons, its classifier)
MODELS = {
    "alexnet": (8, "classifier.6"),
    "resnet18": (21, "fc"),
    "resnext50_32x4d": (54, "fc"),
    "densenet121": (121, "classifier"),
    "mobilenet_v2": (53, "classifier.1"),
    "squeezenet1_1": (26, "classifier.1"),
    "vit_b_16": (50, "heads.head"),
    "swin_t": (53, "head"),
    "convnext_tiny": (59, "classifier.2"),
}


@pytest.mark.parametrize("name", MODELS)
def test_layers_of_well_known_models_are_found(name):
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None)
    layers = find_layers(model)
    assert (len(layers), find_output_layer(layers)) == MODELS[name]
    for layer_name, layer in layers.items():
        assert layer is model.get_submodule(layer_name)


def test_the_prototypes_of_a_loss_are_the_output_layer_wherever_they_stand():
    network, loss = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)), SoftmaxLoss(10, 4)
    for model in (
        nn.ModuleDict({"network": network, "loss": loss}),
        nn.ModuleDict({"loss": loss, "n": network}),
    ):
        assert find_output_layer(find_layers(model)) == "loss.prototypes"
    assert list(find_layers(loss)) == ["prototypes"]


def test_layers_that_share_a_weight_are_one():
    first, second, last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
    second.weight = first.weight
    assert list(find_layers(nn.Sequential(first, second, first, last))) == ["0", "3"]


def test_a_transposed_convolution_with_the_weight_of_a_convolution_has_neurons_of_its_own():
    down, up = nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 3, 3)
    up.weight = down.weight
    assert list(find_layers(nn.Sequential(down, up))) == ["0", "1"]


def test_what_computes_a_weight_is_no_layer():
    class LowRank(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.update = nn.Linear(4, 4, bias=False)

        def forward(self, weight):
            return weight + self.update.weight

    layer = nn.Linear(4, 4)
    nn.utils.parametrize.register_parametrization(layer, "weight", LowRank())
    model = nn.Sequential(layer, parametrizations.weight_norm(nn.Conv2d(3, 4, 1)))
    assert list(find_layers(model)) == ["0", "1"]


def test_tables_and_gains_are_no_layers_but_foreign_weights_are():
    model = nn.ModuleDict(
        {
            "table": nn.Embedding(10, 4),
            "gain": nn.LayerNorm((3, 4)),
            "norm": nn.BatchNorm1d(4),
            "slope": nn.PReLU(4),
            "fc": nn.Linear(4, 4),
            "memory": nn.LSTM(4, 4),
        }
    )
    assert list(find_layers(model)) == ["fc", "memory"]


def test_names_are_those_of_the_bare_model():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 3)))
    names = list(find_layers(model))
    assert names == ["0", "1.0"]
    assert list(find_layers(torch.compile(model))) == names
    inner = nn.Sequential(model[0], torch.compile(model[1]))
    assert list(find_layers(inner)) == names


def test_patterns_match_layers_and_the_modules_they_lie_in():
    layers = ["stem", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1", "layer10.conv1"]
    assert matching(layers, "layer1", "include") == {"layer1.0.conv1", "layer1.0.conv2"}
    assert matching(layers, ["stem", "*.conv2"], "include") == {"stem", "layer1.0.conv2"}
    assert matching(layers, "*", "include") == set(layers)
    assert matching(layers, (), "exclude") == set()


def test_what_is_not_there_or_not_clear_is_named():
    with pytest.raises(ValueError, match="the model has no layer with neurons"):
        find_output_layer(find_layers(nn.ReLU()))
    losses = nn.ModuleDict({"face": SoftmaxLoss(3, 4), "age": SoftmaxLoss(5, 4)})
    with pytest.raises(ValueError, match=r"several output layers, face.prototypes, age.prototypes; name one"):
        find_output_layer(find_layers(losses))
    with pytest.raises(ValueError, match="exclude 'layr1' matches no layer; the layers are stem, layer1"):
        matching(["stem", "layer1"], "layr1", "exclude")
