"""The flight record on the Resources page: its last transitions as a table, with the verdicts that were written down.

Tells no more than the diagnostics file does (diagnostics.py): all who visit see it. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.resources.events import Event
from core.ui.diagnostics import facts_told
from core.ui.run_view import moment

_OWN_COLUMN = frozenset({"phase", "case", "class", "confidence", "of_run"})
_NOT_TOLD = frozenset({"", None, False})


def table(events: Sequence[Event]) -> None:
    """The last transitions, newest first."""
    if events:
        st.dataframe(event_rows(events), key="resources-record", hide_index=True, height=300)
    else:
        st.caption("Nothing is recorded yet.")


def event_rows(events: Sequence[Event]) -> list[dict[str, object]]:
    """The transitions for the table, the newest first. Pure."""
    return [_row(event) for event in reversed(events)]


def _row(event: Event) -> dict[str, object]:
    facts = facts_told(event)
    class_, sure = facts.get("class") or "", facts.get("confidence")
    return {
        "when": moment(event.at),
        "event": event.event,
        "run": str(facts.get("of_run") or event.run)[:6],
        "by": event.role,
        "step": facts.get("phase") or "",
        "case": facts.get("case") or "",
        "verdict": f"{class_} ({sure})" if class_ and sure not in (None, "none") else class_,
        "told": _in_words(facts),
    }


def _in_words(facts: dict[str, object]) -> str:
    """ "owner visitor · predicted_mb 120", evidence as sentences."""
    parts = []
    for name, value in facts.items():
        if isinstance(value, tuple):
            parts.append("; ".join(value))
        elif name not in _OWN_COLUMN and value not in _NOT_TOLD:
            parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return " · ".join(parts)
