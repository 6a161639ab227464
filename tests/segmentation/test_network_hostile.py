"""Models made to slip through: data hidden from our reader, archives larger than they are, files that never end."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from core.errors import BadModel
from core.segmentation.engines.network_config import CONFIG_NAME, load_config
from core.segmentation.engines.network_onnx import look
from core.segmentation.engines.network_predict import TorchPredictor
from core.segmentation.engines.network_weights import kind_of
from tests.segmentation.tiny_models import graph

WEIGHTS = np.ones((1, 2, 1, 1, 1), np.float32)


def sparse_outside() -> bytes:
    """A constant of an operator whose sparse values lie in another file."""
    model = graph(WEIGHTS)
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    values.ClearField("raw_data")
    values.data_location = TensorProto.EXTERNAL
    entry = values.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    sparse = helper.make_sparse_tensor(values, indices, [1])
    model.graph.node.append(helper.make_node("Constant", [], ["k"], sparse_value=sparse))
    return bytes(model.SerializeToString())


def wide_tag() -> bytes:
    """Data in another file under a field number that libraries cut to 32 bits."""
    model = graph(WEIGHTS)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    plain = bytes(model.SerializeToString())
    body = bytes(entry.SerializeToString())
    found = plain.find(bytes([13 << 3 | 2, len(body)]) + body)
    hidden = bytes([(13 << 3 | 2) | 0x80, 0x80, 0x80, 0x80, 0x10])  # the same tag and one bit above the 32nd
    return plain[:found] + hidden + plain[found + 1 :]


def test_data_in_other_files_is_found_wherever_it_hides() -> None:
    with pytest.raises(BadModel, match="other files"):
        look(memoryview(sparse_outside()))
    with pytest.raises(BadModel, match="not ONNX, or damaged"):
        look(memoryview(wide_tag()))


def test_an_archive_whose_parts_lie_over_each_other_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"weight": torch.zeros(50_000)}, path)
    assert kind_of(path) == "state_dict"
    with zipfile.ZipFile(path) as archive:
        large = max(archive.infolist(), key=lambda entry: entry.file_size)
    data = path.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    size, start = struct.unpack("<II", data[end + 12 : end + 20])
    table = data[start : start + size]
    name = large.filename.encode()
    at = table.rfind(b"PK\x01\x02", 0, table.find(name))
    extra = struct.unpack("<HH", table[at + 30 : at + 34])
    entry = table[at : at + 46 + len(name) + sum(extra)]
    again = b"".join(entry.replace(name, name[:-1] + bytes([letter])) for letter in b"abcdefgh")
    count = struct.unpack("<H", data[end + 10 : end + 12])[0] + 8
    tail = struct.pack("<HHII", count, count, size + len(again), start)
    path.write_bytes(data[:start] + table + again + b"PK\x05\x06\0\0\0\0" + tail + b"\0\0")
    with zipfile.ZipFile(path) as archive:
        assert sum(e.file_size for e in archive.infolist()) > path.stat().st_size
    with pytest.raises(BadModel, match="packed in a way torch never does"):
        kind_of(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(60)
def test_a_config_that_is_no_plain_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / CONFIG_NAME)
    with pytest.raises(BadModel, match="cannot be read"):
        load_config(tmp_path)


def test_bfloat16_is_judged_where_there_is_a_lesion_and_by_its_size() -> None:
    network = torch.nn.Conv3d(1, 1, 1)
    torch.nn.init.constant_(network.weight, 1.0)
    assert network.bias is not None
    torch.nn.init.constant_(network.bias, -1.001)
    without = np.linspace(-3, -2, 32**3, dtype=np.float32).reshape(1, 1, 32, 32, 32)
    small = without.copy()
    small[0, 0, 0, 0, :10] = np.linspace(1.0005, 1.003, 10)  # a lesion of some voxels, moved by bfloat16
    made = TorchPredictor(network, "cpu", "bfloat16", 1, lambda device: True)
    np.testing.assert_array_equal(made(without), without - np.float32(1.001))
    exact = made(small)
    assert made.notes["precision"] == "float32, as bfloat16 moved the mask"
    np.testing.assert_allclose(exact, small - np.float32(1.001), rtol=0, atol=1e-6)
    steady = TorchPredictor(network, "cpu", "bfloat16", 1, lambda device: True)
    steady(without + 100)
    assert steady.notes["precision"] == "bfloat16"


def test_without_a_lesion_the_answer_is_float32_and_says_so() -> None:
    network = torch.nn.Conv3d(1, 1, 1)
    made = TorchPredictor(network, "cpu", "bfloat16", 1, lambda device: True)
    torch.nn.init.constant_(network.weight, 0.0)
    assert network.bias is not None
    torch.nn.init.constant_(network.bias, -9.0)
    made(np.linspace(0, 1, 512, dtype=np.float32).reshape(1, 1, 8, 8, 8))
    assert made.notes["precision"].startswith("float32")


def test_a_gpu_computes_float32_as_float32() -> None:
    before = torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.allow_tf32 = True
        TorchPredictor(torch.nn.Conv3d(1, 1, 1), "cpu", "float32", 1)
        assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cuda.matmul.allow_tf32 is False
    finally:
        torch.backends.cudnn.allow_tf32 = before
