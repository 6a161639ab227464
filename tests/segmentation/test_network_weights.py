"""Weights files by their own bytes: what is opened, and that nothing else ever is."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from core.errors import BadModel
from core.segmentation.engines.network_onnx import MAX_NESTING, look
from core.segmentation.engines.network_weights import (
    ONNX,
    SAFETENSORS,
    STATE_DICT,
    kind_of,
    load_tensors,
    onnx_found,
    safetensors_shapes,
    weights_path,
)
from tests.segmentation.tiny_models import graph

WEIGHTS = np.ones((1, 2, 1, 1, 1), np.float32)


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


def archive(path: Path, names: list[str], compress: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compress) as made:
        for name in names:
            made.writestr(name, b"\0" * 1000)
    return path


def test_each_kind_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "a.bin")
    torch.save({"a": torch.ones(2)}, tmp_path / "b.safetensors")
    onnx.save(graph(WEIGHTS), tmp_path / "c.onnx")
    assert [kind_of(p) for p in sorted(tmp_path.iterdir())] == [SAFETENSORS, STATE_DICT, ONNX]


@pytest.mark.parametrize("length", [0x80, 0x6428, 0x717D, 0x6363])
def test_a_safetensors_header_may_be_as_long_as_a_pickle_begins(tmp_path: Path, length: int) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().ljust(length)
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header + bytes(8))
    assert kind_of(path) == SAFETENSORS
    assert list(load_tensors(path, SAFETENSORS)) == ["a"]


def test_a_state_dict_and_safetensors_give_the_same_tensors(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}
    save_file(tensors, tmp_path / "a")
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "b")
    one, two = load_tensors(tmp_path / "a", SAFETENSORS), load_tensors(tmp_path / "b", STATE_DICT)
    assert one.keys() == two.keys() == tensors.keys() and all(torch.equal(one[k], two[k]) for k in tensors)
    assert safetensors_shapes(tmp_path / "a") == {"a.weight": (2, 3), "n": ()}


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_a_pickle_is_refused_and_never_run(tmp_path: Path, protocol: int) -> None:
    path, trap = tmp_path / "m.pt", tmp_path / "sprung"
    path.write_bytes(pickle.dumps({"w": Evil(trap)}, protocol))
    with pytest.raises(BadModel) as refused:
        kind_of(path)
    assert "safetensors" in refused.value.hint and not trap.exists()


def test_a_pickle_inside_a_state_dict_is_refused_and_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    torch.save({"w": torch.ones(1), "x": Evil(trap)}, tmp_path / "m.pt")
    assert kind_of(tmp_path / "m.pt") == STATE_DICT
    with pytest.raises(BadModel, match="more than numbers"):
        load_tensors(tmp_path / "m.pt", STATE_DICT)
    assert not trap.exists()


def test_old_and_new_programs_of_torch_are_refused_by_name(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    cases = {
        "old kind": tmp_path / "legacy.pt",
        "TorchScript": archive(tmp_path / "script.pt", ["m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"]),
        "torch.export": archive(tmp_path / "export.pt2", ["m/archive_format", "m/models/model.json"]),
        "no state_dict": archive(tmp_path / "other.zip", ["m/readme.txt"]),
        "outside itself": archive(tmp_path / "slip.pt", ["m/data.pkl", "m/../../etc/passwd"]),
        "never does": archive(tmp_path / "bomb.pt", ["m/data.pkl", "m/data/0"], zipfile.ZIP_DEFLATED),
    }
    for words, path in cases.items():
        with pytest.raises(BadModel, match=words) as refused:
            kind_of(path)
        assert refused.value.hint


def test_a_tar_and_a_text_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "m.tar", "w") as made:
        info = tarfile.TarInfo("pickle")
        info.size = 4
        made.addfile(info, io.BytesIO(b"\x80\x02N."))
    (tmp_path / "m.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    for name in ("m.tar", "m.bin"):
        with pytest.raises(BadModel):
            kind_of(tmp_path / name)


def test_weights_lie_in_the_models_folder_or_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "secret.safetensors").write_bytes(b"x")
    (tmp_path / "m" / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    with pytest.raises(BadModel, match="outside"):
        weights_path(tmp_path / "m", "link.safetensors")
    with pytest.raises(BadModel, match="not beside"):
        weights_path(tmp_path / "m", "none.safetensors")


def safetensors_of(header: object, body: bytes = b"\0" * 8) -> bytes:
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + body


GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    "data",
    [
        safetensors_of(GOOD)[:-1],
        safetensors_of(GOOD) + b"\0",
        safetensors_of({"a": {**GOOD["a"], "shape": [2**40]}}),
        safetensors_of({"a": {**GOOD["a"], "shape": [-2]}}),
        safetensors_of({"a": {**GOOD["a"], "dtype": "PY"}}),
        safetensors_of({"a": GOOD["a"], "b": GOOD["a"]}),
        safetensors_of({"a": {**GOOD["a"], "data_offsets": [8, 16]}}),
        safetensors_of({"a": 3}),
        safetensors_of([]),
        safetensors_of({}),
        (2**60).to_bytes(8, "little") + b"{}",
        (10**5).to_bytes(8, "little") + b"[" * 10**5,
    ],
)
def test_a_damaged_safetensors_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    with pytest.raises(BadModel, match="damaged"):
        safetensors_shapes(tmp_path / "m.safetensors")


def test_an_onnx_file_says_what_goes_in_and_out() -> None:
    found = look(memoryview(graph(WEIGHTS).SerializeToString()))
    assert [t.name for t in found.inputs] == ["image"] and found.outputs[0].kind == "float32"
    assert found.inputs[0].shape == (1, 2, None, None, None) and found.nodes == 1 and found.constants == {"w", "b"}


def nested(depth: int) -> onnx.GraphProto:
    node = helper.make_node("Identity", ["a"], ["b"])
    inner = helper.make_graph([node], "g", [], [])
    for _ in range(depth):
        branch = helper.make_node("If", ["c"], ["b"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([branch], "g", [], [])
    return inner


def evil_onnx(kind: str) -> bytes:
    model = graph(WEIGHTS)
    if kind == "outside":
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../../etc/passwd"
    elif kind == "constant outside":
        tensor = numpy_helper.from_array(WEIGHTS)
        tensor.data_location = TensorProto.EXTERNAL
        model.graph.node.append(helper.make_node("Constant", [], ["k"], value=tensor))
    elif kind == "nested custom":
        inner = helper.make_graph([helper.make_node("Run", [], ["b"], domain="evil")], "g", [], [])
        model.graph.node.append(helper.make_node("If", ["c"], ["b"], then_branch=inner, else_branch=inner))
    elif kind == "function":
        node = helper.make_node("Run", [], ["y"], domain="evil")
        model.functions.append(helper.make_function("", "F", [], ["y"], [node], [helper.make_opsetid("", 17)]))
    elif kind == "deep":
        model.graph.node.extend(nested(MAX_NESTING + 2).node)
    elif kind == "custom":
        model = graph(WEIGHTS, domain="evil.ops")
    elif kind == "empty graph":
        model.graph.ClearField("node")
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("outside", "other files"),
        ("constant outside", "other files"),
        ("custom", "no standard"),
        ("nested custom", "no standard"),
        ("function", "no standard"),
        ("deep", "without end"),
        ("empty graph", "no graph"),
    ],
)
def test_onnx_beyond_the_standard_is_refused(kind: str, words: str) -> None:
    with pytest.raises(BadModel, match=words) as refused:
        look(memoryview(evil_onnx(kind)))
    assert refused.value.hint


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        look(memoryview(data))
    except BadModel as error:
        assert error.hint


def test_a_cut_onnx_file_is_refused_but_where_a_part_ends(tmp_path: Path) -> None:
    whole = graph(WEIGHTS).SerializeToString()
    kept = 0
    for length in range(len(whole)):
        (tmp_path / "m.onnx").write_bytes(whole[:length])
        try:
            onnx_found(tmp_path / "m.onnx")
            kept += 1
        except BadModel as error:
            assert error.hint
    assert kept <= 1  # without the version of its operators, which onnxruntime asks for
