"""Claims: what a card that is there already says of itself and ours does not: another licence, other data files.

Compares texts; decides nothing about them (workflows/publish_there.py).
"""

from __future__ import annotations

from core.publish.card import BEGIN, About, metadata
from core.publish.front import blocks, split, value
from core.publish.licences import licence_to_use

_OF_DATA = ("license", "configs", "dataset_info")
_NONE = frozenset({"", "unknown", "null", "~", "[]"})


def licence_in(existing: str) -> str:
    """The licence that a card names; "" if it names none."""
    said = next((value(lines) for key, lines in blocks(split(existing)[0]) if key == "license"), "")
    return "" if said.lower() in _NONE else said


def others(about: About, existing: str) -> tuple[str, ...]:
    """Keys by which a card that we did not write tells of another dataset: they say otherwise than ours would."""
    if BEGIN in existing:
        return ()
    ours, theirs = metadata(about), dict(blocks(split(existing)[0]))
    theirs.pop("license", "")
    licence = licence_in(existing)
    found = {key for key in _OF_DATA if key in theirs and theirs[key] != ours.get(key)}
    if licence and licence_to_use(licence, "", None) != licence_to_use(about.licence, "", None):
        found.add("license")
    return tuple(key for key in _OF_DATA if key in found)
