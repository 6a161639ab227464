"""The command line: the same workflows as the pages, for scripts.

Progress and messages go to stderr; with --json stdout is exactly one JSON object. Exit 0 done, 1 failed (the last line
of stderr is "error: what happened; what to do"), 2 wrong usage. Decides nothing itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli_cache import cache_app
from core.cli_model import model_app
from core.cli_publish import publish_app
from core.cli_segment import COMMANDS
from core.cli_words import JsonOption, SourceOption, note, say, source_of, watch
from core.errors import StrokescopeError
from core.logs import configure_logging
from core.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
app.add_typer(cache_app, name="cache")
app.add_typer(model_app, name="model")
app.add_typer(publish_app, name="publish")
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line; errors of ours become one line and exit 1."""
    configure_logging()
    try:
        app()
    except StrokescopeError as error:
        note(f"error: {error.sentence()}")
        sys.exit(1)
    except SystemExit as error:
        if not by_ctrl_c(error):
            raise
        note("error: stopped by you; run it again to go on")
        sys.exit(1)


def by_ctrl_c(end: SystemExit) -> bool:
    """Whether Typer ends the program because of a Ctrl-C, which it turns into an exit of its own."""
    cause: BaseException | None = end
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


@app.command()
def serve(port: Annotated[int, typer.Option(min=1, max=65535)] = 8501) -> None:
    """Start the dashboard under its supervisor."""
    from core.hub import runtime
    from core.resources.supervisor import serve as supervise

    settings = load_settings()
    sys.exit(supervise(port, settings, ROOT / "Home.py", hub_message=lambda: runtime.ask(settings)))


@app.command()
def cases(
    source: SourceOption = None,
    refresh: Annotated[bool, typer.Option(help="read what is not known yet")] = False,
    as_json: JsonOption = False,
) -> None:
    """List cases; costs no image bytes."""
    with source_of(source) as (_, opened):
        listing = opened.refresh(watch()) if refresh else opened.listing()
    rows = [
        {
            "case_id": c.case_id,
            "modalities": None if c.modalities is None else list(c.modalities),
            "age": c.clinical.age,
            "sex": c.clinical.sex,
            "nihss_admission": c.clinical.nihss_admission,
            "mrs_admission": c.clinical.mrs_admission,
            "mrs_3month": c.clinical.mrs_3month,
        }
        for c in listing.cases
    ]
    payload = {"source": listing.source, "revision": listing.revision, "count": len(rows), "cases": rows}

    def lines() -> Iterator[str]:
        yield f"{len(rows)} cases in {listing.source}"
        for row in rows:
            known = row["modalities"]
            yield f"{row['case_id']}\t{' '.join(known) if isinstance(known, list) else 'not looked yet (--refresh)'}"

    say(payload, as_json, lines)


@app.command()
def fetch(
    case: Annotated[str, typer.Argument(help="case id")],
    source: SourceOption = None,
    modality: Annotated[list[str] | None, typer.Option(help="may be given several times; all by default")] = None,
    out: Annotated[Path | None, typer.Option(help="folder to copy the files to")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch images of one case, verified."""
    from core.case import MODALITIES
    from core.workflows.explore_case import fetch_case
    from core.workflows.making_room import visiting

    for name in modality or ():
        if name not in MODALITIES:
            raise typer.BadParameter(f"no modality {name!r}; there are {', '.join(MODALITIES)}")
    with source_of(source) as (settings, opened), visiting(settings, note) as visit:
        fetched, headers = fetch_case(opened, case, modality, out, watch(), visit=visit)
    payload = _fetched(fetched, headers)
    files = payload["files"]

    def lines() -> Iterator[str]:
        for name, file in files.items():
            yield f"{name}\t{file['path']}\t{file['bytes']} bytes"
        for name in fetched.absent:
            yield f"{name}\tnot in this case"

    say(payload, as_json, lines)


def _fetched(fetched: Any, headers: Mapping[str, Any]) -> dict[str, Any]:
    files = {
        name: {
            "path": str(file.path),
            "bytes": file.bytes,
            "sha256": file.sha256,
            "shape": list(headers[name].shape),
            "spacing_mm": [round(s, 6) for s in headers[name].spacing_mm],
        }
        for name, file in fetched.files.items()
    }
    told = {name: getattr(fetched, name) for name in ("case_id", "bytes_fetched", "requests", "from_cache")}
    return {**told, "files": files, "absent": list(fetched.absent)}


@app.command()
def score(
    prediction: Annotated[Path, typer.Option()] = ...,  # type: ignore[assignment]
    truth: Annotated[Path, typer.Option()] = ...,  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """Compare a predicted mask with the true one; undefined is null."""
    from dataclasses import asdict

    from core.workflows.segment_case import score_here

    payload = asdict(score_here(load_settings(), prediction, truth))

    def lines() -> Iterator[str]:
        for name, value in payload.items():
            yield f"{name}\t{'–' if value is None else f'{value:.4g}'}"

    say(payload, as_json, lines)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """What RAM and disk this container really has, and how the previous run ended."""
    from core.resources.doctor import doctor as examine
    from core.resources.doctor import in_words

    found = examine(load_settings())

    say(found, as_json, lambda: in_words(found))
