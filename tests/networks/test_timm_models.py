import builtins

import pytest
import torch

from sphereface_plus.networks import NetworkError, TimmNetwork


@pytest.mark.parametrize(
    "name", ["mobilenetv3_small_050", "vit_tiny_patch16_224"]
)  # of any size; of a fixed one
@pytest.mark.parametrize("size", [(112, 112), (112, 96)])
def test_both_crop_sizes_give_embeddings(name, size):
    pytest.importorskip("timm")
    network = TimmNetwork(name, 16, *size).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, *size)).shape == (2, 16)
    with pytest.raises(ValueError, match="the network expects images of shape"):
        network(torch.zeros(2, 3, 64, 64))


def test_a_model_that_timm_does_not_have_is_named():
    pytest.importorskip("timm")
    with pytest.raises(NetworkError, match=r"network\.name timm:resnet19: timm .* has no model resnet19"):
        TimmNetwork("resnet19")


def test_a_model_that_does_not_fit_the_crops_is_named():
    pytest.importorskip("timm")
    with pytest.raises(
        NetworkError, match=r"timm:vit_tiny_r_s16_p8_224: cannot be built for crops of 112x96"
    ):
        TimmNetwork("vit_tiny_r_s16_p8_224", 16, 112, 96)


def test_without_timm_one_sentence_says_what_to_install(monkeypatch):
    imported = builtins.__import__

    def without_timm(name, *arguments, **keywords):
        if name == "timm":
            raise ImportError(name)
        return imported(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_timm)
    with pytest.raises(
        NetworkError, match=r"timm:resnet18 needs timm, .* pip install 'sphereface-plus\[timm\]'"
    ):
        TimmNetwork("resnet18")
