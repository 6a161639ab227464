"""Schema: the leaf columns of a Parquet file, in the order of its chunks.

Says which leaf is an image and which can be a scalar. Source: apache/parquet-format, parquet.thrift (SchemaElement).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.hub.thrift import Fields, Odd, number, text

BYTE_ARRAY = 6
_REPEATED = 2
_INTEGERS = frozenset(range(11, 19))  # converted types UINT_8 … INT_64
_MAX_DEPTH = 32


@dataclass(frozen=True)
class Leaf:
    """One column.

    Attributes:
        path: names from the root, joined by ".".
        kind: physical type (6 is BYTE_ARRAY).
        nullable: it, or a struct around it, may be null.
        repeated: it lies in a list.
        is_text: annotated as text of some kind.
        is_coded: a number that means something else (a date, a decimal).
    """

    path: str
    kind: int
    nullable: bool
    repeated: bool
    is_text: bool
    is_coded: bool

    @property
    def image_name(self) -> str | None:
        """The image column's name: of a struct with a `bytes` field, or of a column of raw bytes; None for others."""
        if self.kind != BYTE_ARRAY or self.repeated:
            return None
        name, _, rest = self.path.partition(".")
        return name if rest == "bytes" or (not rest and not self.is_text) else None


def read_leaves(elements: list[Fields]) -> list[Leaf]:
    """The leaves of a schema given as its elements, depth first, root first.

    Raises:
        Odd: the elements do not form one tree.
    """
    leaves: list[Leaf] = []
    if not elements:
        raise Odd
    after = _walk(elements, 1, number(elements[0], 5), (), False, False, leaves)
    if after != len(elements):
        raise Odd
    return leaves


def _walk(
    elements: list[Fields],
    at: int,
    count: int,
    above: tuple[str, ...],
    nullable: bool,
    repeated: bool,
    leaves: list[Leaf],
) -> int:
    """Read `count` siblings from `at`; where the next ones begin."""
    if len(above) > _MAX_DEPTH:
        raise Odd
    for _ in range(count):
        if at >= len(elements):
            raise Odd
        element = elements[at]
        path = (*above, text(element.get(4)))
        repetition = number(element, 3, default=0)
        null = nullable or repetition != 0
        many = repeated or repetition == _REPEATED
        children = number(element, 5, default=0)
        at += 1
        if children:
            at = _walk(elements, at, children, path, null, many, leaves)
        else:
            leaves.append(_leaf(element, path, null, many))
    return at


def _leaf(element: Fields, path: tuple[str, ...], nullable: bool, repeated: bool) -> Leaf:
    converted, logical = element.get(6), element.get(10)
    if converted is not None and not isinstance(converted, int):
        raise Odd
    is_coded = converted is not None and converted not in _INTEGERS
    if converted is None and isinstance(logical, dict):
        is_coded = 10 not in logical  # 10 is a plain integer
    is_text = converted is not None or bool(logical)
    return Leaf(".".join(path), number(element, 1), nullable, repeated, is_text, is_coded)
