"""Diagnostics: one JSON file for a bug report, and the settings in force. Pure, but for `facts_of`.

Holds numbers, versions, switches and words of the flight record, which hides cases that are not public; no token, no
folder, no name of a file.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from core.resources.admission import Place
from core.resources.doctor import describe, describe_history
from core.resources.events import Event
from core.resources.guard import Guard
from core.resources.ledger import Entry
from core.resources.reading import Reading
from core.resources.runs import PreviousRun
from core.resources.safemode import OFF, SafeMode
from core.resources.watchdog import Status
from core.settings import Settings

EVENTS = 200  # transitions that go with it
_PACKAGES = ("streamlit", "huggingface_hub", "nibabel", "numpy", "scipy", "pyarrow", "psutil")
_WORDS = frozenset({
    "phase", "case", "kind", "class", "confidence", "owner", "whom", "reason", "rung", "what", "by", "outcome",
    "target", "evidence", "of_run", "resource",
})  # fmt: skip
_ADDRESS = re.compile(r"[A-Za-z0-9.:\[\]-]{1,60}")
_LOOKS_PRIVATE = re.compile(r"[/\\@]|hf_|\.(nii|gz|json|csv|tsv|dcm|zip)\b", re.IGNORECASE)


@dataclass(frozen=True)
class GuardFacts:
    """What the guard knows: the line, what was learnt, the watchdog, and what could not be recorded."""

    places: tuple[Place, ...] = ()
    entries: tuple[Entry, ...] = ()
    status: Status | None = None
    troubles: Mapping[str, int] = field(default_factory=dict)


def facts_of(guard: Guard) -> GuardFacts:
    """As things stand."""
    return GuardFacts(
        guard.admission.places(),
        guard.ledger.entries(),
        guard.watchdog.status(),
        dict(guard.recorder.troubles()),
    )


def settings_in_force(settings: Settings) -> dict[str, str]:
    """Variable -> value for the screen; the token is only said to be there or not."""
    return {
        "STROKESCOPE_SOURCE": settings.source,
        "STROKESCOPE_CACHE_DIR": str(settings.cache_dir),
        "STROKESCOPE_STATE_DIR": str(settings.state_dir),
        "STROKESCOPE_PERSIST_DIR": "not set" if settings.persist_dir is None else str(settings.persist_dir),
        **_harmless(settings),
    }


def diagnostics(
    settings: Settings,
    history: Sequence[Reading],
    runs: Sequence[PreviousRun],
    *,
    supervised: bool,
    sessions: int | None = None,
    guard: GuardFacts | None = None,
    safe: SafeMode = OFF,
    events: Sequence[Event] = (),
) -> dict[str, Any]:
    """Everything that a bug report needs. The source is named only when it is on the Hub or the sample.

    Args:
        runs: those that are over, newest first. events: of the flight record, oldest first.
    """
    persist = "not set" if settings.persist_dir is None else "set"
    facts = guard or GuardFacts()
    return {
        "doctor": describe(history[-1], runs[0] if runs else None, safe, runs) if history else None,
        "supervised": supervised,
        "sessions": sessions,
        "settings": {
            "source": _public_source(settings.source),
            "STROKESCOPE_PERSIST_DIR": persist,
            **_harmless(settings),
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "queue": [_place(place) for place in facts.places],
        "ledger": [asdict(entry) for entry in facts.entries],
        "watchdog": None if facts.status is None else _status(facts.status),
        "record": {"troubles": dict(facts.troubles), "events": [_event(event) for event in events[-EVENTS:]]},
        "history": describe_history(history),
    }


def _place(place: Place) -> dict[str, Any]:
    """One step of the line: kind and numbers only."""
    return {"kind": place.kind, "memory_mb": round(place.memory_mb, 1), "position": place.position}


def _status(status: Status) -> dict[str, Any]:
    kill = status.last_kill
    return {
        "ram_rung": status.ram,
        "disk_rung": status.disk,
        "to_limit_s": status.to_limit_s,
        "workers": len(status.workers),
        "last_kill": None if kill is None else asdict(kill),
    }


def _event(event: Event) -> dict[str, Any]:
    """One transition: numbers, and the words that are known to be ours."""
    told = {"event": event.event, "at": round(event.at, 1), "run": event.run, "role": event.role}
    return {**told, "facts": facts_told(event)}


def facts_told(event: Event) -> dict[str, object]:
    """What of a transition anybody may read."""
    facts = {name: value for name, value in event.facts.items() if _is_plain(value) or name in _WORDS}
    return {name: value for name, value in facts.items() if not _LOOKS_PRIVATE.search(str(value))}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _harmless(settings: Settings) -> Mapping[str, str]:
    port = settings.health_port.strip()
    return {
        "STROKESCOPE_HEALTH_PORT": port if _ADDRESS.fullmatch(port) else "not an address" if port else "not set",
        "STROKESCOPE_METRICS": "yes" if settings.metrics else "no",
        "STROKESCOPE_MEMORY_LIMIT": _or_none(settings.memory_limit),
        "STROKESCOPE_DISK_LIMIT": _or_none(settings.disk_limit),
        "MEMORY": _or_none(settings.container_memory),
        "ACCELERATOR": settings.accelerator or "not set",
        "SPACE_ID": settings.space_id or "not on a Space",
        "HF_ENDPOINT": _without_password(settings.hf_endpoint),
        "HF_HUB_OFFLINE": "yes" if settings.hf_hub_offline else "no",
        "HF_TOKEN": "set (hidden)" if settings.hf_token and settings.hf_token.get_secret_value() else "not set",
        "STROKESCOPE_PUBLISH_KEY": "set (hidden)" if settings.publish_key else "not set",
    }


def _public_source(source: str) -> str:
    return "local folder" if source.startswith("local:") else source


def _without_password(endpoint: str) -> str:
    """Scheme, host and port only: an address may carry a password or a key."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "not an address"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}" if host else "not an address"


def _or_none(count: int | None) -> str:
    return "not set" if count is None else f"{count} bytes"


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
