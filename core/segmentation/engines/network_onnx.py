"""ONNX files, looked at before any library opens them: operators, where their data lie, what goes in and out.

Reads the protobuf itself, so that a file of a stranger is refused by its own words: operators beyond the standard,
data outside the file, graphs nested without end. Bounded in time and memory whatever the file holds: values are skipped
and fields are counted. Runs nothing (network_predict.py).
Source: onnx/onnx, onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from core.errors import BadModel
from core.segmentation.engines.network_files import Paged

MAX_BYTES = 2**31  # protobuf's own limit
MAX_NESTING = 8  # graphs within graphs
MAX_NODES = 100_000
MAX_FIELDS = 300_000  # of all messages together: about a second
MAX_NAMES = 20_000  # of constants, inputs and outputs
MAX_DIMS = 16  # of one tensor
DOMAINS = ("", "ai.onnx")
HINT = "export the network again as one ONNX file with standard operators, or use safetensors"
_ELEMENT = {1: "float32", 10: "float16", 11: "float64"}
Field = tuple[int, int | Paged]  # number, value: an int or the bytes of a message


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
    width: int = 0  # channels of the narrowest convolution that has 8 or more: about those at full resolution


def look(data: IO[bytes] | memoryview) -> Found:
    """What the file holds, once it is harmless.

    Args:
        data: the open file; what of it is not needed is not read.

    Raises:
        BadModel: no ONNX file, or one that would need more than the standard.
    """
    whole = Paged.of(data)
    if len(whole) >= MAX_BYTES:
        raise BadModel("the ONNX file is larger than 2 GB", hint=HINT)
    walk = _Walk()
    found = walk.found
    try:
        graphs = 0
        for number, value in walk.message(whole):
            if number == 7 and not isinstance(value, int):
                graphs += 1
                walk.graph(value, 0)
            elif number == 25 and not isinstance(value, int):
                walk.function(value)
    except IndexError:
        raise BadModel("the file is not ONNX, or damaged", hint=HINT) from None
    if graphs != 1 or not found.nodes:
        raise BadModel("the file is not ONNX: it holds no graph", hint=HINT)
    found.inputs = [tensor for tensor in found.inputs if tensor.name not in found.constants]
    return found


class _Walk:
    """One walk through a file; counts what it sees."""

    def __init__(self) -> None:
        self.found = Found()
        self.fields = 0

    def graph(self, data: Paged, level: int) -> None:
        if level > MAX_NESTING:
            raise BadModel("the ONNX file nests graphs without end", hint=HINT)
        found = self.found
        for number, value in self.message(data):
            if isinstance(value, int):
                continue
            if number == 1:
                self.node(value, level)
            elif number == 5:
                self.constant(value)
            elif number == 15:
                self.sparse(value)
            elif level == 0 and number in (11, 12):
                (found.inputs if number == 11 else found.outputs).append(self.tensor(value))
                _within(len(found.inputs) + len(found.outputs), MAX_NAMES, "inputs and outputs")

    def node(self, data: Paged, level: int) -> None:
        self.found.nodes += 1
        _within(self.found.nodes, MAX_NODES, "operators")
        for number, value in self.message(data):
            if isinstance(value, int):
                continue
            if number == 7 and _text(value) not in DOMAINS:
                said = f"the ONNX file uses operators of {_text(value)[:40]!r}, which are no standard"
                raise BadModel(said, hint=HINT)
            if number == 5:
                self.attribute(value, level)

    def attribute(self, data: Paged, level: int) -> None:
        for number, value in self.message(data):
            if isinstance(value, int):
                continue
            if number in (6, 11):
                self.graph(value, level + 1)
            elif number in (5, 10):
                self.constant(value)
            elif number in (22, 23):
                self.sparse(value)

    def sparse(self, data: Paged) -> None:
        """A sparse constant: its values and their places."""
        for number, value in self.message(data):
            if number in (1, 2) and not isinstance(value, int):
                self.constant(value)

    def function(self, data: Paged) -> None:
        for number, value in self.message(data):
            if number == 7 and not isinstance(value, int):
                self.node(value, 1)

    def constant(self, data: Paged) -> None:
        found, dims = self.found, list[int]()
        for number, value in self.message(data):
            if number == 1:
                dims.extend([value] if isinstance(value, int) else _packed(value))
                _within(len(dims), MAX_DIMS, "sides in one tensor")
            elif number == 8 and not isinstance(value, int):
                found.constants.add(_text(value))
                _within(len(found.constants), MAX_NAMES, "constants")
            elif number == 13 or (number == 14 and value == 1):
                said = "the ONNX file keeps its weights in other files, which could lie anywhere"
                raise BadModel(said, hint="save it as one file (onnx.save with save_as_external_data=False)")
        if len(dims) == 5 and dims[0] >= 8:
            found.width = min(found.width or dims[0], dims[0])

    def tensor(self, data: Paged) -> Tensor:
        name, kind, shape = "", "", list[int | None]()
        for number, value in self.message(data):
            if number == 1 and not isinstance(value, int):
                name = _text(value)
            elif number == 2 and not isinstance(value, int):
                for tensor in self.only(value, 1):
                    for inner, part in self.message(tensor):
                        if inner == 1 and isinstance(part, int):
                            kind = _ELEMENT.get(part, "other")
                        elif inner == 2 and not isinstance(part, int):
                            shape = [self.side(side) for side in self.only(part, 1)]
                            _within(len(shape), MAX_DIMS, "sides in one tensor")
        return Tensor(name, kind, tuple(shape))

    def side(self, data: Paged) -> int | None:
        for number, value in self.message(data):
            if number == 1 and isinstance(value, int):
                return value if 0 < value < 2**31 else None
        return None

    def only(self, data: Paged, wanted: int) -> Iterator[Paged]:
        for number, value in self.message(data):
            if number == wanted and not isinstance(value, int):
                yield value

    def message(self, data: Paged) -> Iterator[Field]:
        """The fields of a message. Raises IndexError where it is none."""
        at, end = 0, len(data)
        while at < end:
            self.fields += 1
            _within(self.fields, MAX_FIELDS, "fields")
            key, at = _varint(data, at)
            if key >= 2**32:
                raise IndexError  # libraries cut it to 32 bits and would read another field than we do
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, at = _varint(data, at)
                yield number, value
            elif kind == 2:
                length, at = _varint(data, at)
                yield number, data.part(at, at + length)
                at += length
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
                if at > end:
                    raise IndexError
            else:
                raise IndexError


def _within(count: int, most: int, what: str) -> None:
    if count > most:
        raise BadModel(f"the ONNX file holds more than {most} {what}", hint=HINT)


def _text(value: Paged) -> str:
    """A name; what of it goes beyond 200 bytes tells no two apart that are used."""
    return value.head(200).decode("utf-8", "replace")


def _packed(data: Paged) -> list[int]:
    numbers: list[int] = []
    at = 0
    while at < len(data) and len(numbers) <= MAX_DIMS:
        value, at = _varint(data, at)
        numbers.append(value)
    return numbers


def _varint(data: Paged, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data.byte(at)
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError
