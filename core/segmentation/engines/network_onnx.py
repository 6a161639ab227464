"""ONNX files, looked at before any library opens them: operators, where their data lie, what goes in and out.

Reads the protobuf itself, so that a file of a stranger is refused by its own words: operators beyond the standard,
data outside the file, graphs nested without end. Runs nothing (network_predict.py).
Source: onnx/onnx, onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from core.errors import BadModel

MAX_BYTES = 2**31  # protobuf's own limit
MAX_NESTING = 8  # graphs within graphs
MAX_NODES = 100_000
DOMAINS = ("", "ai.onnx")
HINT = "export the network again as one ONNX file with standard operators, or use safetensors"
_ELEMENT = {1: "float32", 10: "float16", 11: "float64"}
Field = tuple[int, int | memoryview]  # number, value: an int or the bytes of a message


@dataclass(frozen=True)
class Tensor:
    """An input or output of the graph; `shape` has None where a side is free."""

    name: str
    kind: str
    shape: tuple[int | None, ...]


@dataclass
class Found:
    """What an ONNX file holds."""

    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    constants: set[str] = field(default_factory=set)
    nodes: int = 0
    values: int = 0
    width: int = 0  # channels of the narrowest convolution that has 8 or more: about those at full resolution


def look(data: memoryview) -> Found:
    """What the file holds, once it is harmless.

    Raises:
        BadModel: no ONNX file, or one that would need more than the standard.
    """
    if len(data) >= MAX_BYTES:
        raise BadModel("the ONNX file is larger than 2 GB", hint=HINT)
    found = Found()
    try:
        graphs = 0
        for number, value in _message(data):
            if number == 7 and not isinstance(value, int):
                graphs += 1
                _graph(value, found, 0)
            elif number == 25 and not isinstance(value, int):
                _function(value, found)
    except (IndexError, UnicodeDecodeError):
        raise BadModel("the file is not ONNX, or damaged", hint=HINT) from None
    if graphs != 1 or not found.nodes:
        raise BadModel("the file is not ONNX: it holds no graph", hint=HINT)
    found.inputs = [tensor for tensor in found.inputs if tensor.name not in found.constants]
    return found


def _graph(data: memoryview, found: Found, level: int) -> None:
    if level > MAX_NESTING:
        raise BadModel("the ONNX file nests graphs without end", hint=HINT)
    for number, value in _message(data):
        if isinstance(value, int):
            continue
        if number == 1:
            _node(value, found, level)
        elif number == 5:
            _constant(value, found)
        elif number == 15:
            _sparse(value, found)
        elif level == 0 and number in (11, 12):
            (found.inputs if number == 11 else found.outputs).append(_tensor(value))


def _node(data: memoryview, found: Found, level: int) -> None:
    found.nodes += 1
    if found.nodes > MAX_NODES:
        raise BadModel(f"the ONNX file holds more than {MAX_NODES} operators", hint=HINT)
    for number, value in _message(data):
        if isinstance(value, int):
            continue
        if number == 7 and _text(value) not in DOMAINS:
            raise BadModel(f"the ONNX file uses operators of {_text(value)[:40]!r}, which are no standard", hint=HINT)
        if number == 5:
            _attribute(value, found, level)


def _attribute(data: memoryview, found: Found, level: int) -> None:
    for number, value in _message(data):
        if isinstance(value, int):
            continue
        if number in (6, 11):
            _graph(value, found, level + 1)
        elif number in (5, 10):
            _constant(value, found)
        elif number in (22, 23):
            _sparse(value, found)


def _sparse(data: memoryview, found: Found) -> None:
    """A sparse constant: its values and their places."""
    for number, value in _message(data):
        if number in (1, 2) and not isinstance(value, int):
            _constant(value, found)


def _function(data: memoryview, found: Found) -> None:
    for number, value in _message(data):
        if number == 7 and not isinstance(value, int):
            _node(value, found, 1)


def _constant(data: memoryview, found: Found) -> None:
    dims: list[int] = []
    for number, value in _message(data):
        if number == 1:
            dims.extend([value] if isinstance(value, int) else _packed(value))
        elif number == 8 and not isinstance(value, int):
            found.constants.add(_text(value))
        elif number == 13 or (number == 14 and value == 1):
            said = "the ONNX file keeps its weights in other files, which could lie anywhere"
            raise BadModel(said, hint="save it as one file (onnx.save with save_as_external_data=False)")
    found.values += prod(dims)
    if len(dims) == 5 and dims[0] >= 8:
        found.width = min(found.width or dims[0], dims[0])


def _tensor(data: memoryview) -> Tensor:
    name, kind, shape = "", "", list[int | None]()
    for number, value in _message(data):
        if number == 1 and not isinstance(value, int):
            name = _text(value)
        elif number == 2 and not isinstance(value, int):
            for _, tensor in _only(value, 1):
                for inner, part in _message(tensor):
                    if inner == 1 and isinstance(part, int):
                        kind = _ELEMENT.get(part, "other")
                    elif inner == 2 and not isinstance(part, int):
                        shape = [_side(side) for _, side in _only(part, 1)]
    return Tensor(name, kind, tuple(shape))


def _side(data: memoryview) -> int | None:
    for number, value in _message(data):
        if number == 1 and isinstance(value, int):
            return value if 0 < value < 2**31 else None
    return None


def _only(data: memoryview, wanted: int) -> Iterator[tuple[int, memoryview]]:
    for number, value in _message(data):
        if number == wanted and not isinstance(value, int):
            yield number, value


def _text(value: memoryview) -> str:
    return bytes(value[:200]).decode("utf-8")


def _packed(data: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        numbers.append(value)
    return numbers


def _message(data: memoryview) -> Iterator[Field]:
    """The fields of a message. Raises IndexError where it is none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key >= 2**32:
            raise IndexError  # libraries cut it to 32 bits and would read another field than we do
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise IndexError
            yield number, data[at : at + length]
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
            if at > len(data):
                raise IndexError
        else:
            raise IndexError


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError
