"""Arguments: what a model's config may say of a network, as kinds of values with bounds.

Everything that is not listed is refused, so that no value of a config ever reaches a library unchecked. Pure; knows no
network (network_nets.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import BadModel

HINT = "see docs/models.md for what a config may say"
_NORMS = ("instance", "batch", "group", "layer")
_ACTIVATIONS = ("relu", "leakyrelu", "prelu", "elu", "gelu", "swish")
_OPTIONS = {
    "affine": (bool, 0.0, 1.0),
    "inplace": (bool, 0.0, 1.0),
    "num_groups": (int, 1.0, 64.0),
    "eps": (float, 1e-12, 0.1),
    "momentum": (float, 0.0, 1.0),
    "negative_slope": (float, 0.0, 1.0),
    "alpha": (float, 0.0, 10.0),
}


def refused(where: str, said: str) -> BadModel:
    """The error for a config that says something impossible at `where`."""
    return BadModel(f"the model's config: {where} {said}", hint=HINT)


def shown(value: object) -> str:
    """A hostile value, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def whole(value: object, where: str, low: int, high: int) -> int:
    """An int within its bounds. Raises BadModel."""
    if type(value) is not int or not low <= value <= high:
        raise refused(where, f"is {shown(value)}, not a whole number from {low} to {high}")
    return value


def real(value: object, where: str, low: float, high: float) -> float:
    """A finite number within its bounds. Raises BadModel."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise refused(where, f"is {shown(value)}, not a number from {low:g} to {high:g}")
    return float(value)


def flag(value: object, where: str) -> bool:
    """True or false. Raises BadModel."""
    if not isinstance(value, bool):
        raise refused(where, f"is {shown(value)}, not true or false")
    return value


def word(value: object, where: str, options: tuple[str, ...]) -> str:
    """One of the options. Raises BadModel."""
    if not isinstance(value, str) or value not in options:
        raise refused(where, f"is {shown(value)}, not one of {', '.join(options)}")
    return value


def text(value: object, where: str, most: int, least: int = 1) -> str:
    """Printable text. Raises BadModel."""
    if not isinstance(value, str) or not least <= len(value) <= most or not (value.strip() and value.isprintable()):
        raise refused(where, f"is {shown(value)}, not plain text of {least} to {most} characters")
    return value


def items(value: object, where: str, least: int, most: int) -> list[Any]:
    """A list of so many items. Raises BadModel."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        count = str(least) if least == most else f"{least} to {most}"
        raise refused(where, f"is {shown(value)}, not a list of {count} items")
    return value


def fields(value: object, where: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """An object with all of the needed keys and no unknown one. Raises BadModel."""
    if not isinstance(value, dict):
        raise refused(where, f"is {shown(value)}, not an object")
    for key in value:
        if key not in needed and key not in optional:
            raise refused(where, f"says {shown(key)}, which means nothing here ({', '.join((*needed, *optional))})")
    for key in needed:
        if key not in value:
            raise refused(where, f"does not say {key!r}")
    return value


@dataclass(frozen=True)
class Whole:
    """One whole number."""

    low: int
    high: int

    def read(self, value: object, where: str) -> object:
        """The value, checked."""
        return whole(value, where, self.low, self.high)


@dataclass(frozen=True)
class Real:
    """One number."""

    low: float
    high: float

    def read(self, value: object, where: str) -> object:
        """The value, checked."""
        return real(value, where, self.low, self.high)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: object, where: str) -> object:
        """The value, checked."""
        return flag(value, where)


@dataclass(frozen=True)
class Word:
    """One word of several."""

    options: tuple[str, ...]

    def read(self, value: object, where: str) -> object:
        """The value, checked."""
        return word(value, where, self.options)


@dataclass(frozen=True)
class Wholes:
    """A list of whole numbers; with `rows`, each may also be a list of three of them, one for each axis."""

    low: int
    high: int
    least: int
    most: int
    rows: bool = False

    def read(self, value: object, where: str) -> object:
        """The value, checked, as tuples."""
        found: list[int | tuple[int, ...]] = []
        for at, item in enumerate(items(value, where, self.least, self.most)):
            if self.rows and isinstance(item, list):
                row = items(item, f"{where}[{at}]", 3, 3)
                found.append(tuple(whole(n, f"{where}[{at}]", self.low, self.high) for n in row))
            else:
                found.append(whole(item, f"{where}[{at}]", self.low, self.high))
        return tuple(found)


@dataclass(frozen=True)
class Layer:
    """A kind of layer: a word, or [word, {option: value}], as MONAI takes it."""

    options: tuple[str, ...]

    def read(self, value: object, where: str) -> object:
        """The value, checked; a pair as a tuple."""
        if isinstance(value, str):
            return word(value, where, self.options)
        name, extra = items(value, where, 2, 2)
        said = fields(extra, f"{where}[1]", (), tuple(_OPTIONS))
        found: dict[str, object] = {}
        for key, number in said.items():
            kind, low, high = _OPTIONS[key]
            at = f"{where}[1].{key}"
            if kind is bool:
                found[key] = flag(number, at)
            elif kind is int:
                found[key] = whole(number, at, int(low), int(high))
            else:
                found[key] = real(number, at, low, high)
        return word(name, where, self.options), found


Argument = Whole | Real | Flag | Word | Wholes | Layer
NORM, ACTIVATION = Layer(_NORMS), Layer(_ACTIVATIONS)


def sizes(value: object, where: str, low: float, high: float) -> tuple[float, float, float]:
    """Three numbers, one for each axis. Raises BadModel."""
    x, y, z = (real(n, f"{where}[{at}]", low, high) for at, n in enumerate(items(value, where, 3, 3)))
    return x, y, z


def depth(plain: str) -> int:
    """Brackets open at once, at most; those within strings count too, which does no harm."""
    now = most = 0
    for letter in plain:
        if letter in "[{":
            now += 1
            most = max(most, now)
        elif letter in "]}":
            now -= 1
    return most
