"""What the settings of losses, energies and batches refuse together."""

import re

import pytest

from sphereface_plus import config
from tests.small_sets import small_recipe

TREE = small_recipe(loss={"kind": "a_softmax"}, train={"steps": 10, "batch_size": 4})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mhe": {"form": "caffe", "power": 1.0}}, "mhe.power has no effect with mhe.form: caffe"),
        (
            {"mhe": {"form": "opensphere", "distance": "angular"}},
            "mhe.distance has no effect with mhe.form: opensphere",
        ),
        ({"mhe": {"form": "caffe", "chunk_size": 5}}, "mhe.chunk_size has no effect with mhe.form: caffe"),
        ({"mhe": {"form": "coffee"}}, "mhe.form: "),
        ({"mhe": {"hold_steps": 2}}, "mhe.hold_steps has no effect with mhe.form: paper"),
        (
            {"mhe": {"form": "class_balanced"}, "data": {"path": "x", "images_per_identity": 2}},
            "mhe.form class_balanced has no effect with data.images_per_identity",
        ),
        (
            {"loss": {"kind": "triplet"}},
            "loss.kind triplet needs several crops of an identity in a batch: set data.images_per_identity",
        ),
        (
            {"loss": {"kind": "softmax_contrastive"}},
            "loss.kind softmax_contrastive needs several crops of an identity in a batch",
        ),
        (
            {
                "loss": {"kind": "triplet"},
                "data": {"path": "x", "images_per_identity": 2},
                "mhe": {"weight": 1.0},
            },
            "mhe has no effect with loss.kind triplet, which has no prototypes",
        ),
        (
            {
                "loss": {"kind": "triplet"},
                "data": {"path": "x", "images_per_identity": 2},
                "head": "streamed",
            },
            "head has no effect with loss.kind triplet, which has no prototypes",
        ),
        (
            {
                "loss": {"kind": "triplet"},
                "data": {"path": "x", "images_per_identity": 2},
                "sample_rate": 0.1,
            },
            "sample_rate has no effect with loss.kind triplet, which has no prototypes",
        ),
        (
            {"sample_rate": 0.1, "mhe": {"weight": 1.0, "form": "caffe"}},
            "sample_rate: mhe.form caffe is not implemented with a sample of the prototypes; take paper or",
        ),
        (
            {
                "mhe": {"weight": 1.0, "form": "random_push"},
                "train": {"steps": 9, "batch_size": 8, "accumulate": 2},
            },
            "mhe.form random_push pushes as far as Eq. (8) in a batch of one part only",
        ),
        ({"sample_rate": 0.0}, "sample_rate: must be greater than 0"),
        (
            {"mhe": {"weight": 1.0, "form": "opensphere"}, "head": "sharded"},
            "mhe.form opensphere is not implemented with head: sharded; take head=streamed, or "
            "mhe.form=paper",
        ),
        ({"data": {"path": "x", "images_per_identity": 1}}, "data.images_per_identity: "),
        ({"network": {"name": "sphereface21"}}, "network.name: must be one of sphereface4, sphereface10, "),
        ({"network": {"name": "timm:"}}, "or timm:NAME, got 'timm:'"),
        (
            {"network": {"name": "iresnet18", "variant": "sfnet"}},
            "network.variant has no effect with network.name: iresnet18",
        ),
    ],
)
def test_settings_that_cannot_both_be_meant_are_refused(changes, sentence):
    with pytest.raises(config.ConfigError, match=re.escape(sentence)):
        config.from_dict(TREE | changes)


@pytest.mark.parametrize("share", [{"head": "sharded"}, {"sample_rate": 0.1}], ids=["sharded", "sampled"])
def test_a_form_that_has_no_weight_is_not_refused(share):
    assert config.from_dict(TREE | share | {"mhe": {"form": "caffe"}}).mhe.form == "caffe"


@pytest.mark.parametrize("form", ["caffe", "opensphere"])
def test_a_released_form_is_read_back_from_a_checkpoints_config(form):
    loaded = config.from_dict(TREE | {"mhe": {"weight": 0.1, "form": form}})
    assert config.from_dict(config.to_dict(loaded)) == loaded
