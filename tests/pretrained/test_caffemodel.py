import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sphereface_plus.pretrained.caffemodel import read_caffemodel
from sphereface_plus.pretrained.errors import PretrainedError

LAYERS = [
    ("data", "Data", []),
    ("conv", "Convolution", [np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3), np.ones(2, np.float32)]),
    ("fc", "InnerProduct", [np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)]),
]


@pytest.fixture
def write(tmp_path):
    def write(data: bytes):
        (tmp_path / "net.caffemodel").write_bytes(data)
        return tmp_path / "net.caffemodel"

    return write


def test_layers_with_weights_are_read_from_what_googles_protobuf_writes(caffe_bytes, write):
    layers = read_caffemodel(write(caffe_bytes(LAYERS)))
    assert [layer.name for layer in layers] == ["conv", "fc"]
    for layer, (_, _, arrays) in zip(layers, LAYERS[1:], strict=True):
        assert [blob.shape for blob in layer.blobs] == [array.shape for array in arrays]
        for blob, array in zip(layer.blobs, arrays, strict=True):
            np.testing.assert_array_equal(blob, array)


def test_the_older_form_is_read_with_its_four_dimensions(caffe_bytes, write):
    conv, fc = read_caffemodel(write(caffe_bytes(LAYERS, form="v1")))
    assert (conv.name, fc.name) == ("conv", "fc")
    assert [blob.shape for blob in (*conv.blobs, *fc.blobs)] == [(2, 3, 3, 3), (1, 1, 1, 2), (1, 1, 4, 3)]
    np.testing.assert_array_equal(fc.blobs[0].ravel(), LAYERS[2][2][0].ravel())


def test_double_precision_is_read_as_single(caffe_bytes, write):
    values = np.array([1.5, 1e300])
    (layer,) = read_caffemodel(write(caffe_bytes([("fc", "InnerProduct", [values])])))
    assert layer.blobs[0].dtype == np.float32
    assert layer.blobs[0].tolist() == [1.5, np.inf]


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_truncated_file_is_refused_with_its_byte(caffe_bytes, write, share):
    data = caffe_bytes(LAYERS)
    message = (
        r"net\.caffemodel: is cut short, damaged or no \.caffemodel \(byte \d+: field 100 has a length of"
    )
    with pytest.raises(PretrainedError, match=message):
        read_caffemodel(write(data[: int(len(data) * share)]))


def test_other_files_are_refused(write, tmp_path):
    with pytest.raises(PretrainedError, match=r"no \.caffemodel \(byte 0"):
        read_caffemodel(write(b"<!DOCTYPE html><html>not found</html>"))
    with pytest.raises(PretrainedError, match=r"no \.caffemodel \(byte"):
        read_caffemodel(write(b'name: "SpherefaceNet-20"\nlayer {\n  name: "data"\n}\n'))
    with pytest.raises(PretrainedError, match=r"holds no layer with weights; the trained \.caffemodel"):
        read_caffemodel(write(b""))
    with pytest.raises(PretrainedError, match=r"cannot be read \(No such file"):
        read_caffemodel(tmp_path / "none.caffemodel")


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def in_layer(blob: bytes) -> bytes:
    return message(100, message(1, b"fc") + message(7, blob))


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (message(7, message(1, varint(2**60))) + message(5, bytes(8)), "of shape .* holds 2 numbers"),
        (
            message(7, message(1, varint(2**63) + varint(0))) + message(5, bytes(8)),
            "of shape .* holds 2 numbers",
        ),
        (message(7, message(1, varint(2**64 - 1))) + message(5, bytes(4)), "holds 1 numbers"),
        (message(7, message(1, b"\x01" * 33)) + message(5, bytes(4)), "more than 32 dimensions"),
        (message(7, b"\x08\x02") + message(5, bytes(8)), "shape is not written as Caffe"),
        (message(5, bytes(7)), "ends within a number"),
        (message(5, bytes(4)) + message(5, bytes(4)), "not in one piece"),
        (b"\x2d" + bytes(4), "not in one piece"),
        (b"", "holds no numbers"),
    ],
)
def test_a_forged_array_is_refused_before_memory_is_taken(write, blob, reason):
    with pytest.raises(PretrainedError, match=rf"\(byte \d+: .*{reason}"):
        read_caffemodel(write(in_layer(blob)))


def test_endless_layers_and_arrays_are_refused(write):
    with pytest.raises(PretrainedError, match="more than 10000 fields in the network"):
        read_caffemodel(write(message(100, b"") * 10_002))
    blob = message(5, bytes(4))
    with pytest.raises(PretrainedError, match="layer 'fc' has more than 100 arrays"):
        read_caffemodel(write(message(100, message(1, b"fc") + message(7, blob) * 101)))


def test_a_layers_name_that_would_break_a_message_is_refused(write):
    blob = message(7, message(5, bytes(4)))
    with pytest.raises(PretrainedError, match=r"\(byte \d+: a layer's name cannot be printed"):
        read_caffemodel(write(message(100, message(1, b"fc\n\x1b[2J") + blob)))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_read_or_refused_in_a_sentence(caffe_bytes, write, data):
    damaged = bytearray(caffe_bytes(LAYERS))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, 3))
    damaged = bytes(damaged[start:])
    try:
        layers = read_caffemodel(write(damaged))
    except PretrainedError as error:
        assert "net.caffemodel: " in str(error)  # noqa: PT017
    else:
        assert sum(blob.nbytes for layer in layers for blob in layer.blobs) <= len(damaged)
