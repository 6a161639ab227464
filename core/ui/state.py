"""Where a session is: source, case, modalities, results; kept in the session and mirrored in the address bar.

`arrive()` adopts the address when a person changed it (a deep link, the back button) and keeps the session's place when
a page change emptied it. Local folders never appear in the address: they have short keys. Draws nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.case import MODALITIES, check_case_id
from core.errors import BadSource, CaseNotFound
from core.segmentation.kept import is_key
from core.sources.opening import parse_spec

ONLY_HERE = "f-cached"  # the filter of that name
BY_TRUTH = "truth"  # a result is compared with the ground truth
_PLACE, _WRITTEN, _PAGE, _UNASKED = "place", "address", "page-now", "case-unasked"
_KEYS = ("source", "case", "modality", "result", "against", "threshold", "smallest")


@dataclass(frozen=True)
class Place:
    """What is on screen.

    Attributes:
        source: a spec; None for the default.
        modalities: what was asked for, in order.
        result: key of the kept result that is shown; "" where an address named one that cannot be one.
        against: what it is compared with: BY_TRUTH, or a key, or "" as above.
        threshold: it is shown at, 0 to 1; None for the engine's own.
        smallest: lesion that is shown, ml; None for all.
    """

    source: str | None = None
    case: str | None = None
    modalities: tuple[str, ...] = ()
    result: str | None = None
    against: str | None = None
    threshold: float | None = None
    smallest: float | None = None


def local_key(spec: str) -> str:
    """A short name for a local source that gives its folder away to nobody."""
    return "local-" + hashlib.sha256(spec.encode()).hexdigest()[:12]


def parse_address(query: Mapping[str, list[str]], local: Mapping[str, str]) -> Place:
    """A Place from query parameters; anything that is not valid is left out. `local`: key -> spec of known folders."""
    source = next(iter(query.get("source", [])), None)
    if source is not None:
        if source in local:
            source = local[source]
        else:
            try:
                source = None if parse_spec(source).kind == "local" else source
            except BadSource:
                source = None
    case = next(iter(query.get("case", [])), None)
    try:
        case = None if case is None else check_case_id(case)
    except CaseNotFound:
        case = None
    names = [n for text in query.get("modality", []) for n in text.split(",")]
    result, against = (next(iter(query.get(key, [])), None) for key in ("result", "against"))
    result = result if result is None or is_key(result) else ""
    against = against if against is None or against == BY_TRUTH or is_key(against) else ""
    at, least = (_number(query.get(key, []), most) for key, most in (("threshold", 1.0), ("smallest", 1000.0)))
    return Place(source, case, tuple(n for n in names if n in MODALITIES)[:2], result, against, at, least)


def _number(said: list[str], most: float) -> float | None:
    """A number above zero of an address; None for anything else."""
    try:
        value = float(said[0][:12])
    except (IndexError, ValueError):
        return None
    return value if 0 < value <= most else None


def to_address(place: Place) -> dict[str, str]:
    """Query parameters for a Place."""
    found: dict[str, str] = {}
    if place.source is not None:
        found["source"] = local_key(place.source) if place.source.startswith("local:") else place.source
    if place.case is not None:
        found["case"] = place.case
    if place.modalities:
        found["modality"] = ",".join(place.modalities)
    if place.result:
        found["result"] = place.result
        if place.against:
            found["against"] = place.against
        found |= {key: f"{value:g}" for key in ("threshold", "smallest") if (value := getattr(place, key)) is not None}
    return found


def query_now() -> dict[str, list[str]]:
    """Our query parameters as they stand in the address bar."""
    query = {k: st.query_params.get_all(k) for k in _KEYS}
    return {k: v for k, v in query.items() if v}


def arrive(page: str, local: Mapping[str, str]) -> Place:
    """Called once at the start of each run: settle where this session is.

    An address that differs from what was written last was changed by a person (a link, the back button) and is adopted.
    An empty one on another page than before came from the menu: the place stays.
    """
    query, moved = query_now(), st.session_state.get(_PAGE) != page
    if query != st.session_state.get(_WRITTEN, {}) and (query or not moved):
        st.session_state[_PLACE] = parse_address(query, local)
        st.session_state[_UNASKED] = True
    st.session_state[_PAGE] = page
    return current()


def current() -> Place:
    """Where this session is now."""
    place: Place = st.session_state.setdefault(_PLACE, Place())
    return place


def go(**changes: Any) -> None:
    """Change the place; the address follows with the next `mirror()`. A case among the changes is a person's choice.

    A result belongs to its case: another case or source leaves it, unless it is among the changes.
    """
    here = current()
    if any(changes.get(key, getattr(here, key)) != getattr(here, key) for key in ("source", "case")):
        changes = {"result": None, "against": None, **changes}
    if changes.get("result", here.result) != here.result:
        changes = {"threshold": None, "smallest": None, **changes}
    st.session_state[_PLACE] = replace(here, **changes)
    st.session_state[_WRITTEN] = query_now()
    if "case" in changes:
        st.session_state[_UNASKED] = False


def propose(case: str) -> None:
    """Go to a case that nobody chose."""
    go(case=case, modalities=())
    st.session_state[_UNASKED] = True


def is_unasked() -> bool:
    """Whether the case on screen comes from an address or from the app, not from a click: safe mode asks first."""
    return bool(st.session_state.get(_UNASKED, False))


def show_what_is_here() -> None:
    """Go to the list, with only the cases on this machine."""
    st.session_state[ONLY_HERE] = True
    go(case=None, modalities=())


def mirror(place: Place, default_source: str) -> None:
    """Write the place into the address bar; always with its source, so that the list has an address of its own."""
    address = to_address(replace(place, source=place.source or default_source))
    written = {k: [v] for k, v in address.items()}
    if query_now() != written:
        st.query_params.from_dict(address)
    st.session_state[_WRITTEN] = written
