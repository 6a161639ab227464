"""The command `model check`: whether a model can be used here, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from core.cli_segment import model_watch
from core.cli_words import NOTICE, JsonOption, note, say
from core.settings import load_settings

model_app = typer.Typer(no_args_is_help=True, help="Models that are brought to the engine network.")


@model_app.callback()
def models() -> None:
    """Models that are brought to the engine network."""


@model_app.command()
def check(
    spec: Annotated[str, typer.Argument(metavar="MODEL", help="a folder, or hub:OWNER/NAME[@REVISION]")],
    trial: Annotated[bool, typer.Option(help="run it once, on a window of noise in a process of its own")] = True,
    as_json: JsonOption = False,
) -> None:
    """Say whether a model can be used, what it is and what it needs; exit 1 when it cannot."""
    from core.segmentation.model_check import check_model

    found = check_model(spec, load_settings(), trial=trial, report=model_watch())

    def lines() -> Iterator[str]:
        yield f"{found.source}: {'can be used' if found.ok else 'cannot be used'}"
        for group in (found.about, found.weights, found.needs, found.trial):
            yield from (f"{name}\t{_shown(value)}" for name, value in group.items())
        yield NOTICE

    say(found.to_dict(), as_json, lines)
    if found.note:
        note(found.note)
    if not found.ok:
        note(f"error: {found.problem}; {found.hint}")
        raise typer.Exit(1)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "–"
    return "–" if value is None else str(value)
