"""Ids: what a case of a Parquet dataset is called, whatever its columns hold. Reads nothing."""

from __future__ import annotations

import hashlib

from core.case import check_case_id
from core.errors import CaseNotFound
from core.hub.footer import ID_COLUMNS, Row

_MOST = 100  # characters of an id that passes check_case_id
_ROOM = 10  # of them for a number that makes it unique


def case_id_of(row: Row, otherwise: str) -> str:
    """The row's own id, with its session if it has one; `otherwise` when it has none that may be an id."""
    raw = next((row.scalars[name] for name in ID_COLUMNS if row.scalars.get(name) is not None), None)
    session = next((row.scalars[name] for name in ("session_id", "session") if row.scalars.get(name)), None)
    parts = [_text(part) for part in (raw, session) if part is not None]
    try:
        return check_case_id("_".join(parts))
    except CaseNotFound:
        try:
            return check_case_id(otherwise)
        except CaseNotFound:
            return f"row-{hashlib.sha256(otherwise.encode()).hexdigest()[:12]}"


def unique_id(wanted: str, taken: set[str], counts: dict[str, int]) -> str:
    """The id, with a number if it is taken; then it is taken too.

    Ids that differ only by case count as equal: some file systems would keep both cases in one folder.

    Args:
        taken, counts: of all calls for one list of cases; empty at first.
    """
    name, begin = wanted, wanted.casefold()[: _MOST - _ROOM]
    while name.casefold() in taken:
        counts[begin] = counts.get(begin, 1) + 1
        end = f"_{counts[begin]}"
        name = wanted[: _MOST - len(end)] + end
    taken.add(name.casefold())
    return name


def _text(part: str | float) -> str:
    return f"{part:.0f}" if isinstance(part, float) and part.is_integer() else str(part)
