"""What every command says and how: progress to stderr, one JSON object or lines to stdout, the source by its name.

Knows no command (cli.py and its parts).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from core.settings import Settings, load_settings

NOTICE = "Research use only, not a medical device"
SourceOption = Annotated[str | None, typer.Option("--source", help="hub:OWNER/NAME[@REVISION], local:DIR or sample")]
JsonOption = Annotated[bool, typer.Option("--json", help="exactly one JSON object on stdout")]


def note(text: str) -> None:
    """A line for a person, on stderr."""
    print(text, file=sys.stderr, flush=True)


def note_phase(name: str, fraction: float) -> None:
    """How far a job is."""
    note(f"{name}: {100 * fraction:.0f} %")


def say(payload: Mapping[str, Any], as_json: bool, lines: Callable[[], Iterator[str]]) -> None:
    """The answer, on stdout."""
    if as_json:
        print(json.dumps(payload, allow_nan=False))
    else:
        for line in lines():
            print(line)


@contextmanager
def source_of(text: str | None) -> Iterator[tuple[Settings, Any]]:
    """The settings, and the source of that name."""
    from core.hub.cache import Cache
    from core.resources.room import Room
    from core.sources.opening import open_source

    settings = load_settings()
    yield settings, open_source(text or settings.source, settings, Cache(settings.cache_dir, Room(settings)))


def watch() -> Callable[[Any], None]:
    """Tells how far a transfer is, each tenth of it."""
    last = (-1, "")

    def report(progress: Any) -> None:
        nonlocal last
        now = (int(10 * progress.done / progress.total) if progress.total else 0, progress.note)
        if now != last:
            last = now
            total = f" of {progress.total / 1e6:.1f}" if progress.total else ""
            said = f" ({progress.note})" if progress.note else ""
            note(f"{progress.what}: {progress.done / 1e6:.1f}{total} MB{said}")

    return report
