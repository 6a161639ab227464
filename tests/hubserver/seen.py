"""Seen: what the test Hub keeps of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    range: str | None
    authorized: bool
    origin: str  # "hub" or "cdn"
    cookie: bool = False
