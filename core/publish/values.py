"""Values: cells of clinical tables as the scalars that are published.

A cell that says nothing is null; one that is not what its column holds is null and told. Of texts only an empty cell
and n/a say nothing, as "None" or "unknown" may be a category; among numbers such words are null, and told. Nothing is
rounded, converted between units or guessed. Opens no file.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.publish.findings import Trouble, masked
from core.publish.rows import Scalar

ScalarKind = Literal["string", "float", "int"]
_EMPTY = frozenset({"", "n/a"})
_NOTHING = frozenset({*_EMPTY, "na", "n.a.", "nan", "none", "null", "-", "--", "–", "?", ".", "unknown", "missing"})
_FAULTS = frozenset({"#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#n/a", "#getting_data"})
_EXACT = 2**53  # above this a whole number was not written as one
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,3})?")


@dataclass(frozen=True)
class Wanted:
    """One value that a table should have.

    Attributes:
        labels: how its heading may read, as `label_key` gives it.
        span: the least and most that it can be.
    """

    name: str
    labels: tuple[str, ...]
    kind: ScalarKind
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Unread:
    """A cell that says something, and nobody can tell what.

    Attributes:
        why: in a few words.
    """

    why: str


class NotThat(Exception):
    """A cell that is not what its column holds. Never leaves this package."""


def label_key(raw: object) -> str:
    """A heading without case, spaces, signs, and what stands in brackets; "" for what is no text."""
    if not isinstance(raw, str):
        return ""
    text = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", unicodedata.normalize("NFKC", raw))
    return "".join(c for c in text.casefold() if c.isalnum())


def is_empty(raw: object) -> bool:
    """Whether a cell is empty, or n/a."""
    return _is_one_of(raw, _EMPTY)


def says_nothing(raw: object, kind: ScalarKind = "float") -> bool:
    """Whether a cell is empty, or says that nothing is known, where one of this kind should be."""
    return _is_one_of(raw, _EMPTY if kind == "string" else _NOTHING)


def scalar(raw: object, kind: ScalarKind) -> Scalar:
    """The cell's value, None if it says nothing.

    Raises:
        NotThat: it is not of the kind.
    """
    if says_nothing(raw, kind):
        return None
    if kind == "string":
        return _text(raw)
    value = _number(raw)
    if kind == "int":
        if value != int(value):
            raise NotThat
        return int(value)
    return value


def kind_of(cells: Sequence[object]) -> ScalarKind:
    """The narrowest kind that holds all of a column's cells; leading zeros are text, for they mean a code."""
    said = [cell for cell in cells if not says_nothing(cell)]
    kinds: tuple[ScalarKind, ...] = ("int", "float")
    for kind in kinds:
        try:
            if said and not any(_is_code(cell) for cell in said):
                found = [scalar(cell, kind) for cell in said]
                if kind == "int" and any(isinstance(value, int) and abs(value) > _EXACT for value in found):
                    continue
                return kind
        except NotThat:
            continue
    return "string"


def wanted_values(
    cells: Mapping[str, Sequence[object]], wanted: Mapping[str, Wanted], path: str
) -> tuple[dict[str, Scalar], list[Trouble]]:
    """The scalars of one table.

    Args:
        cells: name -> all cells that were found under its heading; no entry where there is no such heading.
    """
    values: dict[str, Scalar] = {}
    troubles: list[Trouble] = []
    for name, want in wanted.items():
        if name not in cells:
            troubles.append(Trouble("table-heading", path, name))
            continue
        known: list[Scalar] = []
        for raw in cells[name]:
            try:
                known.append(scalar(raw, want.kind))
            except NotThat:
                told = raw.why if isinstance(raw, Unread) else masked(str(raw))
                troubles.append(Trouble("table-cell", path, f"{name} holds {told}"))
        said = list(dict.fromkeys(value for value in known if value is not None))
        said = [value for value in said if not says_nothing(value)] or said  # "unknown" contradicts nothing
        if len(said) > 1:
            troubles.append(Trouble("table-conflict", path, f"{len(said)} values for {name}"))
            continue
        values[name] = said[0] if said else None
        troubles += _outside(values[name], want, path)
    return values, troubles


def words_for_nothing(cells: Mapping[str, Sequence[object]], wanted: Mapping[str, Wanted], path: str) -> list[Trouble]:
    """One trouble for each column with words that mean nothing, or may: read as null, or kept as text.

    Args:
        cells: name -> all cells of the column.
    """
    troubles = []
    for name, found in cells.items():
        said = Counter(raw.strip() for raw in found if isinstance(raw, str) and says_nothing(raw) and not is_empty(raw))
        if said:
            words = ", ".join(f"“{word}” {count} ×" for word, count in sorted(said.items()))
            code = "words-kept" if wanted[name].kind == "string" else "words-null"
            troubles.append(Trouble(code, path, f"{name}: {words}"))
    return troubles


def _is_one_of(raw: object, words: frozenset[str]) -> bool:
    if isinstance(raw, float):
        return not math.isfinite(raw)
    return raw is None or (isinstance(raw, str) and raw.strip().casefold() in words)


def _outside(value: Scalar, want: Wanted, path: str) -> list[Trouble]:
    if want.span is None or value is None or isinstance(value, str) or want.span[0] <= value <= want.span[1]:
        return []
    return [Trouble("table-range", path, f"{want.name} is not within {want.span[0]:g} to {want.span[1]:g}")]


def _text(raw: object) -> str:
    if isinstance(raw, str) and raw.strip().casefold() not in _FAULTS:
        return raw.strip()
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise NotThat
    return str(int(raw)) if raw == int(raw) else repr(raw)


def _number(raw: object) -> float:
    if isinstance(raw, bool):
        raise NotThat
    if isinstance(raw, int | float):
        return float(raw)
    text = raw.strip() if isinstance(raw, str) else ""  # float() takes fewer characters for blanks
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise NotThat
    return float(text)


def _is_code(raw: object) -> bool:
    return isinstance(raw, str) and bool(re.fullmatch(r"\s*0\d+\s*", raw))
