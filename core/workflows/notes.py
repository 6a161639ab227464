"""Notes: what an engine noted of a run for its provenance, in words that a person reads. Pure.

Notes are a sidecar's, which anybody may have written: a value of another kind than ours is told as it is. Escapes
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RULES = {
    "majority": "majority, at least half of the masks",
    "mean": "mean, 0.5 or more of the averaged probabilities",
}
_NAMES = {"tied_ml": "exactly divided", "dice": "Dice between members", "disagreement": "disagreement map"}
_FIRST = ("rule", "members", "dice", "tied_ml")


def in_words(notes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, value in words), those of a consensus in the order in which they are read."""
    order = sorted(notes, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return [(_NAMES.get(name, str(name).replace("_", " ")), _value(name, notes[name])) for name in order]


def _value(name: str, value: object) -> str:
    if name == "rule" and isinstance(value, str):
        return _RULES.get(value, value)
    if name == "tied_ml" and _number(value):
        return f"{value:.2f} ml, counted as lesion"
    parts = [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []
    if name == "members" and parts:
        return ", ".join(_member(one) for one in parts)
    if name == "dice" and parts:
        return ", ".join(_pair(one) for one in parts)
    return _plain(value)


def _member(told: Mapping[str, Any]) -> str:
    volume = told.get("volume_ml")
    return f"{told.get('name', '?')} ({volume:.2f} ml)" if _number(volume) else _plain(told.get("name"))


def _pair(told: Mapping[str, Any]) -> str:
    names, dice = told.get("members"), told.get("dice")
    both = " and ".join(map(_plain, names)) if isinstance(names, list | tuple) else _plain(names)
    return f"{both} {dice:.2f}" if _number(dice) else f"{both} –"


def _plain(value: object) -> str:
    if value is None:
        return "not told"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    return str(value)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
