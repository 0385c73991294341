"""Image classification: whole runs on a tiny CIFAR of ten classes of noise, in this process."""

import shutil

import numpy as np
import pytest
import torch

from sphereface_plus import checkpoint, config
from sphereface_plus.data.images import DeviceImages, ImagesError, batches_in_order, normalise
from sphereface_plus.losses import SmoothedSoftmaxLoss
from sphereface_plus.mhe import hyperspherical_energy
from sphereface_plus.networks import build_image_network
from sphereface_plus.training import image
from sphereface_plus.training.energies import EnergyError, LayerEnergies
from sphereface_plus.training.folder import RunError
from sphereface_plus.training.logs import read_log
from sphereface_plus.training.run import train
from tests.small_sets import write_cifar

TIMINGS = {"images_per_second", "data_wait_share"}
RECIPE = {
    "task": "image",
    "name": "tiny",
    "data": {"name": "cifar10", "path": ""},
    "network": {"name": "cnn6", "widths": [4, 4, 8], "embedding_size": 8},
    "mhe": {"hidden": {"weight": 1.0, "half_space": True, "neurons": 3}, "output": {"weight": 1.0}},
    "optimizer": {"learning_rate": 0.02},
    "train": {"steps": 6, "batch_size": 20, "log_every": 1, "checkpoint_every": 2, "device": "cpu"},
    "test_every": 3,
}


@pytest.fixture(scope="module")
def tiny_cifar(tmp_path_factory):
    return write_cifar(tmp_path_factory.mktemp("cifar"), train=6, test=2)


@pytest.fixture
def tiny_image(tiny_cifar):
    """tiny_image(**{"train.steps": 4}) -> a validated config."""

    def make(**changes) -> config.ImageConfig:
        tree = {group: dict(value) if isinstance(value, dict) else value for group, value in RECIPE.items()}
        tree["data"]["path"] = str(tiny_cifar)
        for key, value in changes.items():
            group, _, leaf = key.partition(".")
            tree[group] = tree[group] | {leaf: value} if leaf else value
        made = config.from_dict(tree)
        assert isinstance(made, config.ImageConfig)
        return made

    return make


def numbers(folder):
    return [
        {name: value for name, value in line.items() if name not in TIMINGS}
        for line in read_log(folder / "log.jsonl")
    ]


def test_a_run_logs_loss_energies_of_all_layers_and_tests(tiny_image, tmp_path):
    assert train(tiny_image(), tmp_path / "run").step == 6
    lines = numbers(tmp_path / "run")
    updates = [line for line in lines if "loss" in line]
    assert [line["step"] for line in updates] == list(range(6))
    layers = {name for name in updates[0] if name.startswith("energy/")}
    assert len(layers) == 6 + 1 + 1  # convolutions, fully connected layer, classifier
    assert sum(name.startswith("half_space_energy/") for name in updates[0]) == 6 + 1
    assert {"mhe/hidden", "mhe/output", "accuracy_without_margin"} <= updates[0].keys()
    tests = [line for line in lines if "test/accuracy" in line]
    assert [line["step"] for line in tests] == [0, 3, 6]
    by_class = [tests[-1][f"test/accuracy_of_{label}"] for label in range(10)]
    assert tests[-1]["test/accuracy"] == pytest.approx(np.mean(by_class))
    assert updates[-1]["classification_loss"] < updates[0]["classification_loss"]


def test_a_resumed_run_repeats_the_uninterrupted_one(tiny_image, tmp_path):
    train(tiny_image(), tmp_path / "whole")
    train(tiny_image(**{"train.steps": 3}), tmp_path / "parts")
    train(tiny_image(), tmp_path / "parts", resume=True)
    whole, parts = (checkpoint.load(tmp_path / name) for name in ("whole", "parts"))
    for part in ("network", "loss"):
        assert all(torch.equal(whole[part][name], value) for name, value in parts[part].items())
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")


def test_a_run_goes_on_where_its_images_were_moved_and_not_with_others(tiny_image, tiny_cifar, tmp_path):
    train(tiny_image(**{"train.steps": 1}), tmp_path / "run")
    moved = tmp_path / "moved"
    shutil.copytree(tiny_cifar, moved)
    assert train(tiny_image(**{"train.steps": 2, "data.path": str(moved)}), tmp_path / "run", resume=True)
    photo = moved / "train" / "class0" / "0.png"
    shutil.copy(moved / "train" / "class1" / "0.png", photo)
    with pytest.raises(RunError, match="moved: the training set has changed since the run began"):
        train(tiny_image(**{"data.path": str(moved)}), tmp_path / "run", resume=True)


def test_the_tested_accuracy_is_that_of_the_saved_network(tiny_image, tiny_cifar, tmp_path):
    settings = tiny_image()
    train(settings, tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    network = build_image_network(settings.network, in_channels=3)
    network.load_state_dict(saved["network"])
    network.eval()
    images = image.open_images("cifar10", tiny_cifar, "test")
    with torch.inference_mode():
        answers = (network(normalise(images.images)) @ saved["loss"]["prototypes"].T).argmax(dim=1)
    expected = float((answers == images.labels).float().mean())
    assert numbers(tmp_path / "run")[-1]["test/accuracy"] == pytest.approx(expected)


def test_held_out_images_choose_the_best_checkpoint_and_are_not_trained_on(tiny_image, tmp_path):
    train(tiny_image(**{"data.validation_per_class": 2}), tmp_path / "run")
    lines = [line for line in numbers(tmp_path / "run") if "validation/accuracy" in line]
    best = checkpoint.load(tmp_path / "run" / "checkpoints" / "best.pt")
    assert best["best"]["accuracy"] == max(line["validation/accuracy"] for line in lines)
    assert best["num_crops"] == 10 * (6 - 2)


def test_imbalance_is_of_what_validation_leaves_and_follows_the_split_seed_alone():
    labels = np.repeat(np.arange(10), 6000)
    settings = config.ImageDataConfig(name="mnist", path="", imbalance="single", validation_per_class=50)
    kept, held_out = image.select(settings, labels, 10)
    assert np.bincount(labels[kept]).tolist() == [100] + [5950] * 9
    assert np.bincount(labels[held_out]).tolist() == [50] * 10
    assert not set(kept) & set(held_out)
    again, _ = image.select(settings, labels, 10)
    other, _ = image.select(settings.model_copy(update={"split_seed": 1}), labels, 10)
    assert (kept == again).all()
    assert (kept != other).any()


def test_a_class_that_an_imbalance_keeps_whole_gives_its_share_to_the_validation():
    labels = np.repeat(np.arange(10), 5000)
    settings = config.ImageDataConfig(name="cifar10", path="", imbalance="multiple", validation_per_class=100)
    kept, held_out = image.select(settings, labels, 10)
    assert np.bincount(labels[kept]).tolist() == [*range(500, 5000, 500), 4900]
    assert np.bincount(labels[held_out]).tolist() == [100] * 10
    with pytest.raises(ImagesError, match="class 9: 5000 images are asked for, it has 4999"):
        image.select(settings.model_copy(update={"validation_per_class": 0}), labels[:-1], 10)


def test_accuracies_count_right_answers_in_each_class():
    labels = torch.tensor([0, 0, 0, 1])
    images = DeviceImages(torch.zeros(4, 2, 2, 1, dtype=torch.uint8), labels, 2)
    loss = SmoothedSoftmaxLoss(2, 2)
    loss.prototypes.data = torch.eye(2)
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = image.accuracies(
        {"test": lambda: batches_in_order(images, 4)},
        loss,
        normalise,
        torch.device("cpu"),
        lambda _: features,
    )
    expected = {"test/accuracy": 3 / 4, "test/accuracy_of_0": 2 / 3, "test/accuracy_of_1": 1.0}
    assert found == pytest.approx(expected)


def test_penalty_is_the_weighted_sum_of_eq_4_of_network_and_prototypes():
    settings = config.ImageMHEConfig(
        hidden=config.TermConfig(weight=10.0), output=config.TermConfig(weight=2.0, power=1.0)
    )
    network = build_image_network(config.ImageNetworkConfig(name="cnn6", widths=(4, 4, 8)), in_channels=3)
    loss = SmoothedSoftmaxLoss(10, network.embedding_size)
    energies = LayerEnergies(network, loss, settings, seed=0)
    hidden = sum(
        hyperspherical_energy(module.weight.flatten(1))
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d)
    )
    expected = 10 * hidden + 2 * hyperspherical_energy(loss.prototypes, power=1.0)
    assert energies.of_weights(0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_layer_of_one_neuron_is_refused_in_a_sentence():
    network = torch.nn.Linear(4, 3)
    with pytest.raises(EnergyError, match=r"has one neuron.*; change the network's settings, or leave the"):
        LayerEnergies(network, SmoothedSoftmaxLoss(1, 3), config.ImageMHEConfig(), seed=0)


@pytest.mark.parametrize("name", ["orthonormal", "orthogonal"])
def test_a_baseline_is_the_sum_of_its_squares_over_the_hidden_layers(name):
    network = build_image_network(config.ImageNetworkConfig(name="cnn6", widths=(4, 4, 8)), in_channels=3)
    loss = SmoothedSoftmaxLoss(10, network.embedding_size)
    energies = LayerEnergies(network, loss, config.ImageMHEConfig(**{name: 0.5}), seed=0)
    expected = 0.0
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            w = module.weight.flatten(1)
            if name == "orthogonal":
                w = w / w.norm(dim=1, keepdim=True)
            expected += (w @ w.T - torch.eye(len(w))).square().sum().item()
    assert energies.of_weights(0).item() == pytest.approx(0.5 * expected, rel=1e-5)


@pytest.mark.parametrize("half_space", [False, True])
def test_every_method_logs_the_same_energies(half_space):
    """Whatever is minimised: `energy` of the full space and `half_space_energy` of the half-space, s = 2."""
    network = build_image_network(config.ImageNetworkConfig(name="cnn6", widths=(4, 4, 8)), in_channels=3)
    loss = SmoothedSoftmaxLoss(10, network.embedding_size)
    hidden = config.TermConfig(weight=1.0, power=0.0, half_space=half_space)
    energies = LayerEnergies(network, loss, config.ImageMHEConfig(hidden=hidden), seed=0)
    scalars = energies.measure(torch.arange(4), 0, None, lambda value: value)
    first = network.stages[0][0].conv.weight.flatten(1)
    full, half = (hyperspherical_energy(first, half_space=space) for space in (False, True))
    assert scalars["energy/network.stages.0.0.conv"].item() == pytest.approx(full.item(), rel=1e-5)
    assert scalars["half_space_energy/network.stages.0.0.conv"].item() == pytest.approx(half.item(), rel=1e-5)
    assert scalars["energy/loss.prototypes"].item() == pytest.approx(
        hyperspherical_energy(loss.prototypes).item(), rel=1e-5
    )


def test_a_missing_set_leaves_no_folder(tiny_image, tmp_path):
    with pytest.raises(RunError, match="nowhere: there is no such file or folder of cifar10's images"):
        train(tiny_image(**{"data.path": str(tmp_path / "nowhere")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mhe.output": {"half_space": True}}, r"mhe\.output\.half_space: the classifier's neurons need"),
        ({"mhe.hidden": {"half_space": True}}, r"mhe\.hidden\.half_space has no effect while .*weight is 0"),
        ({"mhe.output": {"weight": 1.0, "reduction": "mean"}}, r"mhe\.output\.reduction has no effect"),
        (
            {"mhe": {"hidden": {"weight": 1.0}, "orthonormal": 1e-5}},
            r"mhe\.hidden\.weight and mhe\.orthonormal act on the same layers",
        ),
        (
            {"data.name": "mnist", "data.imbalance": "multiple"},
            r"data\.imbalance: the paper makes MNIST imbalanced by one digit only",
        ),
        ({"data.workers": 4}, r"data\.workers has no effect on cifar10: only ImageNet is read by workers"),
        ({"data.name": "imagenet", "data.flip": False}, r"data\.flip has no effect on imagenet"),
        ({"network": {"name": "resnet18"}}, r"network\.name: resnet18 does not go with cifar10"),
        ({"network": {"name": "resnet32", "embedding_size": 2}}, "_size is not a setting of resnet32"),
        ({"network": {"name": "cnn9", "operator": "linear"}}, "operator is not a setting of cnn9"),
        (
            {"mhe.hidden": {"weight": -1.0}},
            r"mhe\.hidden\.weight: must be greater than or equal to 0, got -1",
        ),
        ({"loss.margin": 4}, r"loss\.margin: is not a setting"),
    ],
)
def test_contradictions_are_refused_before_anything_is_read(tiny_image, changes, message):
    with pytest.raises(config.ConfigError, match=message):
        tiny_image(**({"loss": {}} | changes if "loss.margin" not in changes else {"loss": {"margin": 4}}))


def test_a_face_model_is_asked_for_where_an_image_run_is_given(tiny_image, tmp_path):
    from sphereface_plus.embedding import Embedder

    train(tiny_image(**{"train.steps": 1}), tmp_path / "run")
    with pytest.raises(config.ConfigError, match="is of an image classification; a model of faces is needed"):
        Embedder.load(tmp_path / "run")
