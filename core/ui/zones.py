"""Zones: the visitor's clock, as the browser names it."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st


def zone_of(name: str | None) -> ZoneInfo | None:
    """The zone of that name; None for one that this machine does not know."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_now() -> ZoneInfo | None:
    """That of this session."""
    return zone_of(st.context.timezone)
