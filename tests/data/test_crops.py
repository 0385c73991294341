import os

import cv2
import numpy as np
import pytest
import torch

from sphereface_plus.config import InputSpec
from sphereface_plus.data.crops import CropsError, SpecError, check_crops, check_input, normalise, read_crop

RGB = InputSpec(
    template="arcface_112x112",
    height=4,
    width=5,
    color="rgb",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
)
BGR = InputSpec(height=4, width=5, mean=(100.0, 110.0, 120.0), std=(1.0, 2.0, 4.0))


@pytest.fixture
def crops():
    return torch.randint(0, 256, (3, 4, 5, 3), dtype=torch.uint8)


def test_an_rgb_network_sees_imagenet_scaled_values_as_torchvision_makes_them(crops):
    expected = crops.permute(0, 3, 1, 2) / 255.0
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (expected - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(normalise(crops, RGB), expected, rtol=0, atol=1e-5)


def test_a_bgr_network_sees_blue_first_with_mean_and_std_in_its_own_order(crops):
    inputs = normalise(crops, BGR)
    for n, h, w in ((0, 0, 0), (2, 3, 4), (1, 2, 3)):
        red, green, blue = crops[n, h, w].tolist()
        assert inputs[n, :, h, w].tolist() == [(blue - 100) / 1, (green - 110) / 2, (red - 120) / 4]


def test_spherefaces_own_scale_takes_0_and_255_to_nearly_minus_one_and_one():
    spec = InputSpec(height=1, width=2)
    crops = torch.tensor([[[[0, 0, 0], [255, 255, 255]]]], dtype=torch.uint8)
    inputs = normalise(crops, spec)
    assert inputs[0, :, 0, 0].tolist() == [-127.5 / 128] * 3
    assert inputs[0, :, 0, 1].tolist() == [127.5 / 128] * 3


@pytest.mark.parametrize("spec", [RGB, BGR])
def test_inputs_are_channels_last_in_memory_and_the_crops_stay_as_they_were(crops, spec):
    before = crops.clone()
    inputs = normalise(crops, spec)
    assert inputs.shape == (3, 3, 4, 5)
    assert inputs.dtype == torch.float32
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(crops, before)


@pytest.mark.parametrize("wrong", [torch.zeros(2, 4, 5, 3), torch.zeros(2, 3, 4, 5, dtype=torch.uint8)])
def test_what_is_no_batch_of_uint8_rgb_crops_is_refused(wrong):
    with pytest.raises(
        SpecError, match=r"expected crops uint8 RGB \(B, H, W, 3\), got torch\.(float32|uint8)"
    ):
        normalise(wrong, BGR)


def test_crops_of_another_size_are_refused_with_both_sizes_and_what_to_do():
    with pytest.raises(SpecError) as error:
        normalise(torch.zeros(1, 5, 4, 3, dtype=torch.uint8), BGR)
    assert str(error.value) == (
        "expected sphereface_112x96 crops of 4x5 (height x width), got images of 5x4; "
        "align the photos: python -m data_prep align PHOTOS CROPS --template sphereface_112x96"
    )


def test_crops_of_another_template_are_refused_even_at_the_same_size():
    check_crops("arcface_112x112", (4, 5), RGB)
    check_crops(None, (4, 5), RGB)
    with pytest.raises(
        SpecError, match=r"expected arcface_112x112 crops of 4x5 .*, got other_4x5 crops of 4x5"
    ):
        check_crops("other_4x5", (4, 5), RGB)


def test_another_colour_order_is_refused_and_every_differing_field_is_named():
    check_input(RGB, RGB.model_copy(), origin="model.onnx")
    with pytest.raises(SpecError) as error:
        check_input(RGB.model_copy(update={"color": "bgr", "height": 9}), RGB, origin="model.onnx")
    assert str(error.value) == (
        "model.onnx: expects another input: height 4, got 9; color rgb, got bgr; "
        "use the input spec that it was trained with"
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_crop_is_read_as_rgb_whatever_its_file_holds(tmp_path, suffix):
    red = np.zeros((8, 6, 3), dtype=np.uint8)
    red[..., 0] = 255
    cv2.imwrite(str(tmp_path / f"red{suffix}"), red[..., ::-1])  # OpenCV writes BGR
    crop = read_crop(tmp_path / f"red{suffix}")
    assert crop.shape == (8, 6, 3)
    assert crop.dtype == np.uint8
    assert np.abs(crop.astype(int) - red).max() <= 2


def test_a_grey_crop_is_read_with_three_equal_channels(tmp_path):
    grey = np.arange(48, dtype=np.uint8).reshape(8, 6)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert np.array_equal(read_crop(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))


def test_a_pipe_or_a_device_is_not_read_without_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(CropsError, match=rf"{path}: the crop cannot be read \(Not a file\)"):
            read_crop(path)


def test_a_missing_crop_is_named(tmp_path):
    with pytest.raises(CropsError, match=r"none\.png: the crop cannot be read \(No such file or directory\)"):
        read_crop(tmp_path / "none.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("length", [0, 10, 300])
def test_an_empty_or_truncated_crop_is_named(tmp_path, suffix, length):
    file = tmp_path / f"crop{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    file.write_bytes(cv2.imencode(suffix, noise)[1].tobytes()[:length])
    with pytest.raises(
        CropsError, match=rf"crop\{suffix}: the crop is empty, cut short or no image; make it again"
    ):
        read_crop(file)
