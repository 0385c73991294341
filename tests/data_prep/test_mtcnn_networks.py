"""The arranged networks against facenet-pytorch's own modules."""

from __future__ import annotations

import facenet_pytorch
import pytest
import torch

from data_prep.mtcnn_networks import _max_pool, load_networks
from data_prep.pyramid import laid_out, sheet_of


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape).float()


def arranged(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def normalised(x: torch.Tensor) -> torch.Tensor:
    return (x - 127.5) * 0.0078125


@pytest.mark.parametrize(("height", "width"), [(12, 12), (14, 12), (31, 50), (64, 33)])
@torch.inference_mode()
def test_pnet_equals_the_released_one_at_every_cell(height, width):
    x = pixels(1, 3, height, width)
    refinement, probability = facenet_pytorch.PNet()(normalised(x))
    (tiles,) = laid_out(((height, width),))
    sheet = sheet_of(tiles)
    on_sheet = pixels(1, 3, sheet.height, sheet.width)  # what lies beside the level must not matter
    on_sheet[..., :height, :width] = x
    rows, columns = probability.shape[2:]
    assert (sheet.owners >= 0).sum() == rows * columns
    cells = load_networks().pnet(arranged(on_sheet), sheet.edges)[:, :rows, :columns]
    torch.testing.assert_close(cells[:2].softmax(dim=0), probability[0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(cells[2:], refinement[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "sides"), [(2, [(8, 6), (2, 2)]), (3, [(22, 9), (9, 22), (4, 3)])])
def test_pooling_equals_torchs(size, sides):
    for height, width in sides:
        x = arranged(torch.randn(3, 5, height, width))
        assert torch.equal(_max_pool(size)(x), torch.max_pool2d(x, size, stride=2, ceil_mode=True))


@torch.inference_mode()
def test_rnet_equals_the_released_one():
    x = pixels(7, 3, 24, 24)
    refinement, probability = facenet_pytorch.RNet()(normalised(x))
    outputs = load_networks().rnet(arranged(x))
    torch.testing.assert_close(outputs[:, :2].softmax(dim=1), probability, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(outputs[:, 2:], refinement, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_onet_equals_the_released_one():
    x = pixels(7, 3, 48, 48)
    refinement, landmarks, probability = facenet_pytorch.ONet()(normalised(x))
    outputs = load_networks().onet(arranged(x))
    torch.testing.assert_close(outputs[:, :2].softmax(dim=1), probability, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(outputs[:, 2:6], refinement, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs[:, 6:], landmarks, rtol=1e-4, atol=1e-5)


def test_the_record_names_the_weight_files_by_their_hash():
    assert load_networks().sha256 == {
        "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
        "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
    }


def test_without_facenet_pytorch_the_error_names_it(monkeypatch):
    monkeypatch.setattr("data_prep.mtcnn_networks.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="facenet-pytorch, which is not installed"):
        load_networks()
