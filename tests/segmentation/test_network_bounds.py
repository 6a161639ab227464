"""Models made to exhaust who looks at them: looking has an end, in time, memory and bytes, whatever the file holds."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import BadModel
from core.segmentation.engines import network_onnx, network_weights
from core.segmentation.engines.network import Network, open_engine
from core.segmentation.engines.network_config import CONFIG_NAME, parse_config
from core.segmentation.engines.network_files import Paged
from core.segmentation.engines.network_needs import loading
from core.segmentation.engines.network_onnx import look
from core.segmentation.engines.network_predict import TorchPredictor, lesion_of
from core.segmentation.models import stamps_of
from tests.segmentation.engines import stored
from tests.segmentation.heads import pair, sick
from tests.segmentation.tiny_models import config, graph, onnx_model

ROOT = Path(__file__).parents[2]
WEIGHTS = np.ones((1, 2, 1, 1, 1), np.float32)
SMALL_PROCESS = """
import resource, sys, time
from pathlib import Path
from core.errors import BadModel
from core.segmentation.engines.network import open_engine
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
try:
    open_engine(Path(sys.argv[1]))
except BadModel as error:
    print(error)
"""

LOOK = """
import resource, sys
from core.segmentation.engines.network_onnx import look
resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, 1_000_000_000))
with open(sys.argv[1], "rb") as file:
    found = look(file)
print(found.nodes, found.constants)
"""


def number(value: int) -> bytes:
    """A protobuf varint."""
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def part(field: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    return number(field << 3 | 2) + number(len(data)) + data


def in_small_process(folder: Path) -> str:
    """What a process of 2 GB and 30 s says of the model."""
    argv = [sys.executable, "-c", SMALL_PROCESS, str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True).stdout


def with_onnx(folder: Path, data: bytes, size: int | None = None) -> Path:
    """A folder with these bytes as its ONNX file, followed by nothing up to `size`."""
    onnx_model(folder)
    with (folder / "model.onnx").open("wb") as file:
        file.write(data)
        if size is not None:
            file.truncate(size)
    return folder


def hostile(dims: bytes = b"", fields: bytes = b"", names: bytes = b"") -> bytes:
    """An ONNX file of one operator and one constant."""
    tensor = part(1, dims) + part(8, b"w") + fields
    return part(7, part(1, part(4, b"Relu")) + part(5, tensor) + names)


def test_a_tensor_of_a_hundred_thousand_sides_is_refused_at_once(tmp_path: Path) -> None:
    data = hostile(dims=(b"\xff" * 8 + b"\x7f") * 100_000)
    assert "more than 16 sides" in in_small_process(with_onnx(tmp_path, data))
    with pytest.raises(BadModel, match="more than 16 sides"):
        look(memoryview(hostile(fields=b"\x08\x02" * 17)))


def test_fields_names_and_constants_without_end_are_refused() -> None:
    with pytest.raises(BadModel, match=f"more than {network_onnx.MAX_FIELDS} fields"):
        look(memoryview(hostile(fields=b"\x10\x01" * network_onnx.MAX_FIELDS)))
    names = b"".join(part(5, part(8, b"%d" % n)) for n in range(network_onnx.MAX_NAMES + 1))
    with pytest.raises(BadModel, match="more than 20000 constants"):
        look(memoryview(hostile(names=names)))
    inputs = part(11, b"") * (network_onnx.MAX_NAMES + 1)
    with pytest.raises(BadModel, match="more than 20000 inputs and outputs"):
        look(memoryview(hostile(names=inputs)))


def test_an_onnx_file_beyond_the_formats_limit_is_refused_unread(tmp_path: Path) -> None:
    assert "larger than 2 GB" in in_small_process(with_onnx(tmp_path, b"\x08\x08", 3_900_000_000))


def test_weights_inside_an_onnx_file_are_skipped_and_not_read(tmp_path: Path) -> None:
    blob = 1_500_000_000
    tensor = part(8, b"w") + number(9 << 3 | 2) + number(blob)
    whole = part(1, part(4, b"Relu")) + number(5 << 3 | 2) + number(len(tensor) + blob) + tensor
    data = number(7 << 3 | 2) + number(len(whole) + blob) + whole
    path = with_onnx(tmp_path, data, len(data) + blob) / "model.onnx"
    argv = [sys.executable, "-c", LOOK, str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "1 {'w'}\n"


def test_a_file_that_shrinks_while_it_is_looked_at_is_damaged_and_ends_nobody(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(graph(np.ones((8, 2, 9, 9, 9), np.float32)).SerializeToString())
    with path.open("rb") as file:
        seen = Paged.of(file)
        os.truncate(path, 10)
        with pytest.raises(IndexError):
            seen.byte(5000)
        assert seen.byte(0) == 8 and len(seen.head(10**9)) == 10


def test_an_archive_with_a_table_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    count = 100_000
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    table = entry * count
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(table), 4, 0)
    path.write_bytes(b"PK\x03\x04" + table + end)
    assert len(table) > network_weights.MAX_TABLE
    with pytest.raises(BadModel, match="damaged archive"):
        network_weights.kind_of(path)
    table = entry * (network_weights.MAX_TENSORS + 1)
    path.write_bytes(b"PK\x03\x04" + table + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(table), 4, 0))
    with pytest.raises(BadModel, match="no state_dict"):
        network_weights.kind_of(path)


def test_a_safetensors_file_may_begin_as_an_archive_does(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].ljust(int.from_bytes(b"PK", "little"))
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])
    assert network_weights.kind_of(tmp_path / "a") == network_weights.SAFETENSORS
    (tmp_path / "b").write_bytes(b"PK and nothing of an archive")
    with pytest.raises(BadModel, match="damaged archive"):
        network_weights.kind_of(tmp_path / "b")


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[' + b"1," * 100 + b'1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e999]}}',
    ],
)
def test_safetensors_headers_with_hostile_numbers_are_damaged(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(BadModel, match="damaged safetensors"):
        network_weights.safetensors_shapes(path)


def test_a_safetensors_header_of_a_hundred_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write((100 * 2**20).to_bytes(8, "little") + b"{")
        file.truncate(101 * 2**20)
    with pytest.raises(BadModel, match="damaged safetensors"):
        network_weights.safetensors_shapes(path)


@pytest.mark.timeout(60)
def test_weights_that_become_a_pipe_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m")
    for look_at in (network_weights.digest, network_weights.kind_of, network_weights.onnx_found):
        with pytest.raises(BadModel, match="no plain file"):
            look_at(tmp_path / "m")
    with pytest.raises(BadModel, match="cannot be read"):
        network_weights.digest(tmp_path)


def test_weights_that_change_while_they_are_used_give_no_result(tmp_path: Path) -> None:
    engine = open_engine(onnx_model(tmp_path / "m", bias=-7.0))
    inputs = stored(pair(sick()), tmp_path)

    def phase(name: str, done: float) -> None:
        if name.startswith("Window 1 "):
            onnx_model(tmp_path / "m", bias=-3.0)

    with pytest.raises(BadModel, match="changed while they were used"):
        engine.segment(inputs, {}, phase, tmp_path)


def test_a_model_that_is_cleared_away_while_it_is_used_gives_its_result(tmp_path: Path) -> None:
    engine = open_engine(onnx_model(tmp_path / "m", bias=-7.0))
    inputs = stored(pair(sick()), tmp_path)

    def phase(name: str, done: float) -> None:
        if name.startswith("Window 1 "):
            (tmp_path / "m" / "model.onnx").unlink()

    assert engine.segment(inputs, {}, phase, tmp_path).mask.data.any()


def test_a_free_side_of_a_network_that_divides_it_too_often_is_refused() -> None:
    deep = {"channels": [8] * 6, "strides": [4] * 5}
    said = config(network={"name": "UNet", "arguments": deep}, patch=[0, 0, 0])
    with pytest.raises(BadModel, match="cannot be free: UNet needs multiples of 1024"):
        parse_config(json.dumps(said).encode())


def test_only_a_models_own_files_tell_whether_it_changed(tmp_path: Path) -> None:
    folder = onnx_model(tmp_path / "m")
    before = stamps_of(folder)
    assert [name for name, *_ in before] == [CONFIG_NAME, "model.onnx"]
    for n in range(70):
        (folder / f"a{n}").touch()
    assert stamps_of(folder) == before
    os.utime(folder / "model.onnx", (1, 1))
    assert stamps_of(folder) != before
    (folder / CONFIG_NAME).write_text("no config", encoding="utf-8")
    assert [name for name, *_ in stamps_of(folder)] == [CONFIG_NAME]
    assert stamps_of(tmp_path / "gone") == stamps_of(None) == ()


def heard(engine: Network, folder: Path, **parameters: Any) -> list[tuple[str, float]]:
    """The phases of a segmentation."""
    told: list[tuple[str, float]] = []
    folder.mkdir()
    inputs = stored(pair(sick()), folder)
    engine.segment(inputs, parameters, lambda name, done: told.append((name, done)), folder)
    return told


def test_loading_takes_a_smaller_share_of_the_progress_where_windows_are_many(tmp_path: Path) -> None:
    engine = open_engine(onnx_model(tmp_path / "m", bias=-7.0))
    few, many = loading(engine.config, 10**6, 4.0), loading(engine.config, 10**6, 1000.0)
    assert few == 0.25 and many == 0.02
    told = heard(engine, tmp_path / "case")
    dones = [done for _, done in told]
    assert dones == sorted(dones) and told[-1] == ("Done", 1.0)
    first = next(done for name, done in told if name.startswith("Window 1 "))
    scaling = next(done for name, done in told if name == "Scaling")
    assert scaling < 0.25 < first <= 0.95


class Slope(torch.nn.Module):
    """Answers with what it is given: exactly, or as bfloat16 rounds it."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """The answer."""
        rounded = given.bfloat16() if torch.is_autocast_enabled("cpu") else given
        return rounded.float()


@pytest.mark.parametrize(("threshold", "precision"), [(0.1, "float32, as bfloat16 moved the mask"), (0.5, "bfloat16")])
def test_bfloat16_is_judged_at_the_chosen_threshold_of_the_lesions_probability(
    threshold: float, precision: str
) -> None:
    raw = np.random.default_rng(0).normal(np.log(0.1 / 0.9), 0.004, (1, 1, 16, 16, 16)).astype(np.float32)
    raw[0, 0, :4] = 5  # a lesion that nothing moves, and tissue at a probability of 0.1
    lesion = lesion_of(parse_config(json.dumps(config()).encode()), threshold)
    made = TorchPredictor(Slope(), "cpu", "bfloat16", 1, lambda device: True, lesion)
    np.testing.assert_array_equal(made(raw), raw)
    assert made.notes["precision"] == precision
