"""What a fine-tuning changes of a network: frozen stages, rates by depth, the head first, new prototypes."""

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus import checkpoint
from sphereface_plus.config import ConfigError, FinetuneConfig, InputSpec, OptimizerConfig, from_dict
from sphereface_plus.data.crops import normalise, read_crop
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.networks import SphereFace, parts
from sphereface_plus.training.finetuning.freezing import freeze, network_groups
from sphereface_plus.training.finetuning.mean_embeddings import mean_embeddings
from sphereface_plus.training.finetuning.start import StartError
from sphereface_plus.training.run import train

OPTIMIZER = OptimizerConfig(learning_rate=0.1, weight_decay=5e-4)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A checkpoint to start from, of the tiny recipe's network and identities."""
    torch.manual_seed(7)
    network, folder = SphereFace((0, 0, 0, 0), 16, 32, 32), tmp_path_factory.mktemp("source")
    spec = {"template": "test_32x32", "height": 32, "width": 32}
    recipe = {
        "name": "source",
        "data": {"path": "x"},
        "network": {"name": "sphereface4", "embedding_size": 16, "input": spec},
        "loss": {"kind": "a_softmax"},
        "optimizer": {"learning_rate": 0.1},
        "train": {"steps": 1, "batch_size": 2},
    }
    payload = {
        "config": recipe,
        "network": network.state_dict(),
        "loss": {"prototypes": torch.randn(6, 16)},
        "identities": [f"person_{number}" for number in range(6)],
        "step": 100,
    }
    checkpoint.save(folder / "checkpoints" / "last.pt", payload)
    return folder


def moved(before, after):
    """The first parts of the names of tensors that changed."""
    return {
        ".".join(name.split(".")[:2]) if name.startswith("stages") else name.split(".")[0]
        for name, value in before.items()
        if not torch.equal(after[name], value)
    }


def finetuned(tiny, out, source, **changes):
    train(tiny(**{"init_from": str(source), "train.steps": 3, "optimizer.milestones": [], **changes}), out)
    return checkpoint.load(out)


def test_frozen_stages_stay_as_they_are(tiny, tmp_path, source):
    after = finetuned(tiny, tmp_path / "tuned", source, **{"finetune.frozen_stages": 2})
    assert moved(checkpoint.load(source)["network"], after["network"]) == {"stages.2", "stages.3", "embed"}


def test_the_head_learns_alone_first_and_the_network_follows(tiny, tmp_path, source):
    before = checkpoint.load(source)
    changes = {"finetune.head_steps": 2, "train.checkpoint_every": 2}
    after = finetuned(tiny, tmp_path / "tuned", source, **changes)
    waiting = checkpoint.load(tmp_path / "tuned" / "checkpoints" / "step_00000002.pt")
    assert moved(before["network"], waiting["network"]) == set()
    assert not torch.equal(before["loss"]["prototypes"], waiting["loss"]["prototypes"])
    assert moved(before["network"], after["network"]) == {f"stages.{n}" for n in range(4)} | {"embed"}
    momentum = waiting["optimizer"]["state"]
    assert len(momentum) == 1  # the prototypes': nothing has gathered for the network meanwhile


def test_a_stopped_finetuning_goes_on_exactly(tiny, tmp_path, source, make_crops):
    changes = {
        "init_from": str(source),
        "reset_head": True,
        "data.path": str(make_crops("others", identities=3)),
        "finetune.prototypes": "mean_embedding",
        "finetune.head_steps": 2,
        "finetune.frozen_stages": 1,
        "finetune.layer_decay": 0.5,
        "optimizer.milestones": [],
    }
    train(tiny(**changes, **{"train.steps": 5}), tmp_path / "whole")
    train(tiny(**changes, **{"train.steps": 3}), tmp_path / "parts")
    train(tiny(**changes, **{"train.steps": 5}), tmp_path / "parts", resume=True)
    whole, in_parts = (checkpoint.load(tmp_path / name) for name in ("whole", "parts"))
    for part in ("network", "loss"):
        for name, value in whole[part].items():
            assert torch.equal(in_parts[part][name], value), name


def test_normalisation_of_what_does_not_learn_does_not_follow_the_data():
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3))
    frozen = freeze(network, FinetuneConfig(frozen_stages=1))
    network.train()
    for part in frozen:
        part.eval()
    network(torch.randn(4, 3, 5, 5) + 7)
    assert network[0].running_mean.abs().max() == 0
    assert network[1].running_mean.abs().max() > 0.1
    assert [p.requires_grad for p in network.parameters()] == [False, False, True, True]


def test_spherefaces_parts_are_its_stages_and_its_last_layer():
    network = SphereFace((0, 1, 0, 0), 8, 32, 32)
    names = [sum(p.numel() for p in part.parameters()) for part in parts(network)]
    expected = [sum(p.numel() for p in m.parameters()) for m in (*network.stages, network.embed)]
    assert names == expected


def test_rates_fall_with_the_distance_from_the_last_layer():
    network = SphereFace((0, 0, 0, 0), 8, 32, 32)
    rate_of = {
        id(parameter): (group["lr_multiplier"], group["lr"], group["weight_decay"])
        for group in network_groups(network, OPTIMIZER, layer_decay=0.5)
        for parameter in group["params"]
    }
    assert len(rate_of) == len(list(network.parameters()))
    for depth, module in enumerate((*network.stages, network.embed)):
        factor = 0.5 ** (4 - depth)
        for name, parameter in module.named_parameters():
            bias = name.endswith("bias")
            expected = (2 * factor, 0.2 * factor, 0.0) if bias else (factor, 0.1 * factor, 5e-4)
            assert rate_of[id(parameter)] == pytest.approx(expected), name


def test_one_rate_for_all_is_the_plain_grouping():
    network = SphereFace((0, 0, 0, 0), 8, 32, 32)
    groups = network_groups(network, OPTIMIZER)
    assert [group["lr_multiplier"] for group in groups] == [1.0, 2.0]


def test_prototypes_begin_at_the_mean_unit_embedding(tiny, tmp_path, source, crops):
    network = SphereFace((0, 0, 0, 0), 16, 32, 32)
    network.load_state_dict(checkpoint.load(source)["network"])
    config = tiny()
    expected = []
    for person in range(6):
        embeddings = []
        for path in sorted((crops / f"person_{person}").iterdir()):
            x = normalise(torch.from_numpy(read_crop(path))[None], config.network.input)
            embedding = network(x)[0].detach()
            embeddings.append(embedding / embedding.norm())
        expected.append(F.normalize(sum(embeddings) / len(embeddings), dim=0))
    settings = {"reset_head": True, "finetune.prototypes": "mean_embedding", "optimizer.learning_rate": 1e-12}
    after = finetuned(tiny, tmp_path / "tuned", source, **settings, **{"train.steps": 1})
    torch.testing.assert_close(after["loss"]["prototypes"], torch.stack(expected), rtol=0, atol=1e-5)
    assert after["start"]["notes"][-1] == "prototypes: mean embeddings of 30 crops"


def test_mean_embeddings_leave_the_network_in_its_mode(crops):
    network = SphereFace((0, 0, 0, 0), 4, 32, 32)
    network.train()
    found = mean_embeddings(network, FaceCrops.open(crops), InputSpec(template="t", height=32, width=32))
    assert found.shape == (6, 4)
    assert network.training
    assert not found.requires_grad


def test_more_frozen_stages_than_there_are_is_refused(tiny, tmp_path, source):
    with pytest.raises(StartError, match=r"finetune\.frozen_stages: 6, the network has 5 parts"):
        finetuned(tiny, tmp_path / "tuned", source, **{"finetune.frozen_stages": 6})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"finetune.head_steps": 2}, "finetune has no effect without init_from"),
        (
            {"init_from": "x", "finetune.prototypes": "mean_embedding"},
            r"finetune\.prototypes has no effect without reset_head",
        ),
        (
            {"init_from": "x", "finetune.head_steps": 8},
            r"finetune\.head_steps 8 never ends, train\.steps is 8",
        ),
        (
            {
                "init_from": "x",
                "loss": {"kind": "triplet"},
                "mhe": {},
                "data.images_per_identity": 2,
                "finetune.head_steps": 2,
            },
            r"finetune\.head_steps has no effect with loss\.kind triplet, which has no prototypes",
        ),
        (
            {"init_from": "x", "finetune.lora_alpha": 8},
            r"finetune\.lora_alpha has no effect without finetune\.lora_rank",
        ),
        (
            {"init_from": "x", "finetune.layer_decay": 0.0},
            r"finetune\.layer_decay: must be greater than 0, got 0",
        ),
    ],
)
def test_settings_that_cannot_both_be_meant_are_refused(recipe, changes, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(recipe(**changes))
