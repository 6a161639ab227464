"""What may pass by itself, how long to wait for it, and what is said meanwhile."""

from __future__ import annotations

import pytest

from core.errors import (
    DiskFull,
    HubCorrupt,
    HubDenied,
    HubNotFound,
    HubOffline,
    HubRateLimited,
    HubServerError,
    HubTimeout,
    StrokescopeError,
)
from core.ui.health import Health
from core.ui.recovery import LONGEST_S, may_pass, outlook, pause_s

LIMITED = HubRateLimited("slow down", hint="wait", retry_after_s=90.0)


@pytest.mark.parametrize("kind", [HubOffline, HubTimeout, HubServerError])
def test_the_cable_may_come_back(kind: type[StrokescopeError]) -> None:
    error = kind("gone", hint="wait")
    assert may_pass(error, offline=False)
    assert not may_pass(error, offline=True)
    waits = [pause_s(error, n) for n in range(12)]
    assert waits == sorted(waits)
    assert waits[0] <= 2
    assert waits[-1] == LONGEST_S


@pytest.mark.parametrize("kind", [HubDenied, HubNotFound, HubCorrupt, DiskFull])
def test_the_rest_needs_a_person(kind: type[StrokescopeError]) -> None:
    assert not may_pass(kind("no", hint="do something"), offline=False)


def test_a_rate_limit_is_obeyed_and_told() -> None:
    assert may_pass(LIMITED, offline=False)
    assert pause_s(LIMITED, 0) == 90.0
    assert outlook(Health("silent", "", LIMITED), 37.2) == "Goes on by itself in 37 s."


def test_what_is_said() -> None:
    assert "asked again every few seconds" in outlook(Health("silent", ""), 0)
    assert "going on" in outlook(Health("answers", ""), 0)
