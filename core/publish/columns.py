"""Columns: how the columns of a dataset lie in a Parquet file: its leaves, their levels, the schema that names them.

Made from the features that `datasets` reads back: an image is a struct of `bytes` and `path`, several images are a list
of those, anything may be null. Writes and reads no file. Source: apache/parquet-format, parquet.thrift and
LogicalTypes.md.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.errors import BadTree
from core.publish.compact import Item, binary, i32, listed, varint
from core.publish.compact import struct as thrift_struct
from core.publish.rows import Scalar

INT32, INT64, FLOAT, DOUBLE, BYTE_ARRAY = 1, 2, 4, 5, 6
_KINDS = {"int32": INT32, "int64": INT64, "float32": FLOAT, "float64": DOUBLE, "string": BYTE_ARRAY}
FLOAT_KINDS = frozenset({FLOAT, DOUBLE})
_FORMS = {INT32: "<i", INT64: "<q", FLOAT: "<f", DOUBLE: "<d"}
_OPTIONAL, _REPEATED = 1, 2
_UTF8, _LIST = 0, 3  # converted types; logical types are 1 and 3
Form = Literal["scalar", "image", "images"]


@dataclass(frozen=True)
class Leaf:
    """One column of a Parquet file.

    Attributes:
        path: names from the root.
        kind: physical type.
        defined: definition level of a value that is there.
        repeated: it lies in a list.
    """

    path: tuple[str, ...]
    kind: int
    defined: int
    repeated: bool = False


@dataclass(frozen=True)
class Field:
    """One column of the dataset: its leaves are one scalar, or bytes and path."""

    name: str
    form: Form
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True)
class Layout:
    """All columns, the Parquet schema as it is written, and the `huggingface` metadata."""

    columns: tuple[Field, ...]
    elements: Item
    metadata: str


def lay_out(info: Mapping[str, object]) -> Layout:
    """The layout of a dataset with these features.

    Args:
        info: `{"info": {"features": {column: feature}}}`, as `datasets` keeps it in a file's metadata.

    Raises:
        BadTree: a feature is none of text, number, image or list of images, or there is none.
    """
    inner = info.get("info")
    features = inner.get("features") if isinstance(inner, Mapping) else None
    if not isinstance(features, Mapping) or not features:
        raise BadTree("the dataset has no columns", hint="choose another schema")
    columns = tuple(_column(str(name), feature) for name, feature in features.items())
    root = thrift_struct({4: binary("schema"), 5: i32(len(columns))})
    elements = [root, *(element for column in columns for element in _elements(column))]
    return Layout(columns, listed(elements), json.dumps(info, ensure_ascii=False))


def _column(name: str, feature: object) -> Field:
    found = feature if isinstance(feature, Mapping) else {}
    kind, inner = found.get("_type"), found.get("feature")
    if kind == "Nifti":
        return Field(name, "image", tuple(Leaf((name, part), BYTE_ARRAY, 2) for part in ("bytes", "path")))
    if kind == "List" and isinstance(inner, Mapping) and inner.get("_type") == "Nifti":
        above = (name, "list", "element")
        leaves = (Leaf((*above, part), BYTE_ARRAY, 4, repeated=True) for part in ("bytes", "path"))
        return Field(name, "images", tuple(leaves))
    if kind == "Value" and found.get("dtype") in _KINDS:
        return Field(name, "scalar", (Leaf((name,), _KINDS[str(found["dtype"])], 1),))
    raise BadTree(f"column {name!r} is of a type that we do not write", hint="choose another schema")


def _elements(column: Field) -> list[Item]:
    """The column's nodes, depth first."""
    if column.form == "scalar":
        return [_node(column.name, column.leaves[0].kind, is_text=column.leaves[0].kind == BYTE_ARRAY)]
    fields = [_node("bytes", BYTE_ARRAY), _node("path", BYTE_ARRAY, is_text=True)]
    if column.form == "image":
        return [_group(column.name, len(fields)), *fields]
    outer = {6: i32(_LIST), 10: thrift_struct({3: thrift_struct({})})}
    top = thrift_struct({3: i32(_OPTIONAL), 4: binary(column.name), 5: i32(1), **outer})
    middle = thrift_struct({3: i32(_REPEATED), 4: binary("list"), 5: i32(1)})
    return [top, middle, _group("element", len(fields)), *fields]


def _node(name: str, kind: int, is_text: bool = False) -> Item:
    text = {6: i32(_UTF8), 10: thrift_struct({1: thrift_struct({})})} if is_text else {}
    return thrift_struct({1: i32(kind), 3: i32(_OPTIONAL), 4: binary(name), **text})


def _group(name: str, children: int) -> Item:
    return thrift_struct({3: i32(_OPTIONAL), 4: binary(name), 5: i32(children)})


def levels(leaf: Leaf, count: int) -> bytes:
    """What precedes the values of one row in a page: its repetition and definition levels; `count` 0 is a null."""
    held = max(1, count)
    definition = _sized(_run(held, leaf.defined if count else 0))
    if not leaf.repeated:
        return definition
    return _sized(_run(1, 0) + (_run(held - 1, 1) if held > 1 else b"")) + definition


def _run(count: int, level: int) -> bytes:
    return varint(count << 1) + bytes([level])


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def raw(leaf: Leaf, value: Scalar) -> bytes:
    """A scalar as statistics write it; a page has its length before it if it is text.

    Raises:
        BadTree: the value is not of the column's type.
    """
    name = leaf.path[0]
    try:
        if leaf.kind == BYTE_ARRAY:
            if not isinstance(value, str):
                raise TypeError
            return value.encode()
        if isinstance(value, str | bool) or value is None or (leaf.kind in (INT32, INT64) and value != int(value)):
            raise TypeError
        number = int(value) if leaf.kind in (INT32, INT64) else float(value)
        return struct.pack(_FORMS[leaf.kind], number)
    except (TypeError, ValueError, OverflowError, struct.error):
        raise BadTree(
            f"a value of column {name!r} is not of its type", hint="correct the table, or choose another schema"
        ) from None
