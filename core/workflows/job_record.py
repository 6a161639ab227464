"""JobRecord: what is known of one job of one visitor, as it is written and read again.

A record that another version, a person or a bad disk has changed is read as one only where every value is of its kind.
Opens no file (job_book.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from core.segmentation.engine_info import Value

State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
OVER: frozenset[str] = frozenset({"done", "failed", "cancelled", "interrupted"})
_ID = re.compile(r"[0-9a-f]{32}")
_WORDS = ("owner", "engine", "version", "label", "phase", "note", "reason", "hint", "run")
_WORDS_OR_NONE = ("case_id", "source", "model")
_NUMBERS, _NUMBERS_OR_NONE = ("created", "fraction"), ("started", "ended", "seconds", "peak_rss_mb", "born")
FAR = 1e12  # seconds since 1970 and MB beyond it are none


@dataclass(frozen=True)
class JobRecord:
    """One job of one visitor.

    Attributes:
        job_id: 32 hex digits.
        key: name of the result's folder, what was asked; 32 hex digits.
        owner: a visitor, as visitors.owner() tells; never shown.
        label: the engine as people call it.
        model: what find_model takes; None for engines that need none. May name a folder: never shown.
        members: keys of the results that a consensus joins.
        created, started, ended: seconds since 1970.
        phase: what it does, in words.
        fraction: of the whole work, images to get included.
        note: what it waits for, "" for nothing.
        reason, hint: why it is over without a result, and the next step.
        seconds, peak_rss_mb: what it took; None while unknown.
        run, pid, born: the app's run and process that has, or had, it.
        unexplained: it was interrupted, and nobody knows yet by what.
    """

    job_id: str
    key: str
    owner: str
    case_id: str | None
    source: str | None
    engine: str
    version: str
    label: str
    model: str | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    state: State = "waiting"
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    phase: str = ""
    fraction: float = 0.0
    note: str = ""
    reason: str = ""
    hint: str = ""
    seconds: float | None = None
    peak_rss_mb: float | None = None
    run: str = ""
    pid: int = 0
    born: float | None = None
    unexplained: bool = False

    @property
    def over(self) -> bool:
        """Nothing more will become of it."""
        return self.state in OVER

    @classmethod
    def from_json(cls, text: str | bytes) -> JobRecord | None:
        """The record that was written; None when it is none."""
        known = {f.name for f in fields(cls)}
        try:
            raw = json.loads(text)
            found = cls(**{name: value for name, value in raw.items() if name in known})
            found = replace(found, members=tuple(found.members), parameters={**found.parameters})
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
        return found if _sound(found) else None


def is_id(text: object) -> bool:
    """Whether this may be the id of a job or the key of a result, and so a part of a path."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def _sound(record: JobRecord) -> bool:
    """Whether every value is of its kind."""

    def told(names: tuple[str, ...]) -> list[Any]:
        return [getattr(record, name) for name in names]

    words = [*told(_WORDS), *(value for value in told(_WORDS_OR_NONE) if value is not None), *record.parameters]
    values = [value for value in record.parameters.values() if not isinstance(value, str)]
    numbers = [*told(_NUMBERS), *values, *(value for value in told(_NUMBERS_OR_NONE) if value is not None)]
    return (
        all(map(is_id, (record.job_id, record.key, *record.members)))
        and record.state in get_args(State)
        and all(isinstance(word, str) for word in words)
        and all(map(_number, numbers))
        and 0 <= record.fraction <= 1
        and type(record.pid) is int
        and abs(record.pid) < 2**31
        and type(record.unexplained) is bool
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -FAR < value < FAR
