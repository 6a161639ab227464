"""Members: which engines a consensus joined, each with its version, its licence and what to cite.

A consensus knows its members by name and version only. Their sidecars tell the rest; where they are gone, the engine of
this very version does. Joins nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import StrokescopeError
from core.segmentation.engine import load_engine

UNKNOWN = "as its own result tells"
_AGAIN = re.compile(r" \(\d+\)$")  # the second result of one engine


def with_members(told: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sidecar of a consensus with its "Members"; any other sidecar as it is.

    Args:
        others: sidecars among which those of the members may be.
    """
    names = _names(told)
    if not names:
        return dict(told)
    known: dict[str, Mapping[str, Any]] = {}
    for other in others:
        by = other.get("GeneratedBy")
        if isinstance(by, Mapping):
            known[f"{by.get('Engine')} {by.get('Version')}"] = by
    return {**told, "Members": [_member(name, known) for name in dict.fromkeys(names)]}


def members(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What `with_members` told."""
    return [one for one in told.get("Members", []) if isinstance(one, Mapping)]


def sentence(member: Mapping[str, Any]) -> str:
    """One member in words."""
    return f"{member['Name']} {member['Version']}; licence: {member['Licence']}; to cite: {member['Citation']}"


def _names(told: Mapping[str, Any]) -> list[str]:
    notes = told.get("Notes")
    listed = notes.get("members") if isinstance(notes, Mapping) else None
    if told.get("GeneratedBy", {}).get("Engine") != "consensus" or not isinstance(listed, list):
        return []
    return [_AGAIN.sub("", str(one.get("name", ""))) for one in listed if isinstance(one, Mapping)]


def _member(name: str, known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    engine, _, version = name.partition(" ")
    by = known.get(name) or _installed(engine, version)
    said = {key: str(by.get(key) or UNKNOWN) for key in ("Label", "Licence", "Citation")}
    return {"Name": engine, "Version": version, **said}


def _installed(engine: str, version: str) -> Mapping[str, str]:
    """What the engine says of itself, if it is of that version."""
    try:
        info = load_engine(engine).info
    except StrokescopeError:  # no such engine here, or one that needs a model
        return {}
    if info.version != version:
        return {}
    return {"Label": info.label, "Licence": info.licence, "Citation": info.citation}
