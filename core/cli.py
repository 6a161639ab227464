"""The command line: the same workflows as the pages, for scripts.

Progress and messages go to stderr; with --json stdout is exactly one JSON object. Exit 0 done, 1 failed (the last line
of stderr is "error: what happened; what to do"), 2 wrong usage. Decides nothing itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import BadParameter, StrokescopeError
from core.logs import configure_logging
from core.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
cache_app = typer.Typer(no_args_is_help=True, help="Files that were fetched or made and can be again.")
app.add_typer(cache_app, name="cache")

SourceOption = Annotated[str | None, typer.Option("--source", help="hub:OWNER/NAME[@REVISION], local:DIR or sample")]
JsonOption = Annotated[bool, typer.Option("--json", help="exactly one JSON object on stdout")]


def main() -> None:
    """Run the command line; errors of ours become one line and exit 1."""
    configure_logging()
    try:
        app()
    except StrokescopeError as error:
        _note(f"error: {error.sentence()}")
        sys.exit(1)
    except KeyboardInterrupt:
        _note("error: stopped by you; run it again to go on")
        sys.exit(1)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _note_phase(name: str, fraction: float) -> None:
    _note(f"{name}: {100 * fraction:.0f} %")


def _say(payload: Mapping[str, Any], as_json: bool, lines: Callable[[], Iterator[str]]) -> None:
    if as_json:
        print(json.dumps(payload, allow_nan=False))
    else:
        for line in lines():
            print(line)


@contextmanager
def _source(text: str | None) -> Iterator[tuple[Settings, Any]]:
    from core.hub.cache import Cache
    from core.resources.room import Room
    from core.sources.opening import open_source

    settings = load_settings()
    yield settings, open_source(text or settings.source, settings, Cache(settings.cache_dir, Room(settings)))


def _watch() -> Callable[[Any], None]:
    last = (-1, "")

    def report(progress: Any) -> None:
        nonlocal last
        now = (int(10 * progress.done / progress.total) if progress.total else 0, progress.note)
        if now != last:
            last = now
            total = f" of {progress.total / 1e6:.1f}" if progress.total else ""
            note = f" ({progress.note})" if progress.note else ""
            _note(f"{progress.what}: {progress.done / 1e6:.1f}{total} MB{note}")

    return report


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
    with _source(source) as (_, opened):
        listing = opened.refresh(_watch()) if refresh else opened.listing()
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

    _say(payload, as_json, lines)


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
    with _source(source) as (settings, opened), visiting(settings, _note) as visit:
        fetched, headers = fetch_case(opened, case, modality, out, _watch(), visit=visit)
    payload = _fetched(fetched, headers)
    files = payload["files"]

    def lines() -> Iterator[str]:
        for name, file in files.items():
            yield f"{name}\t{file['path']}\t{file['bytes']} bytes"
        for name in fetched.absent:
            yield f"{name}\tnot in this case"

    _say(payload, as_json, lines)


@app.command()
def segment(
    case: Annotated[str | None, typer.Argument(help="case id, or give --dwi and --adc")] = None,
    source: SourceOption = None,
    dwi: Annotated[Path | None, typer.Option()] = None,
    adc: Annotated[Path | None, typer.Option()] = None,
    flair: Annotated[Path | None, typer.Option()] = None,
    engine: Annotated[str, typer.Option()] = "diffusion",
    chosen: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, may be given several times")] = None,
    out: Annotated[Path, typer.Option(help="folder for the mask and its sidecar")] = ...,  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """Segment the ischemic lesion of one case. Research use only, not a medical device."""
    from core.hub.leases import Leases
    from core.segmentation.engine import load_engine
    from core.workflows import segment_case
    from core.workflows.asking import Ask
    from core.workflows.making_room import visiting

    given = {name: path for name, path in {"dwi": dwi, "adc": adc, "flair": flair}.items() if path is not None}
    if (case is None) == (not given):
        raise typer.BadParameter("give a case id, or --dwi and --adc")
    info = load_engine(engine).info
    parameters = dict(_setting(text) for text in chosen or ())
    if case is None:
        settings, spec = load_settings(), None
        inputs = segment_case.given_inputs(info, given)
    else:
        with _source(source) as (settings, opened), visiting(settings, _note) as visit:
            inputs = dict(segment_case.fetch_inputs(opened, case, info, report=_watch(), visit=visit).files)
            spec = opened.spec

    Leases().take(file.path for file in inputs.values())  # until this process ends
    ask = Ask(engine, inputs, parameters, case, spec)
    done = segment_case.segment(settings, ask, out, _note_phase)

    def lines() -> Iterator[str]:
        core = "–" if done.core_volume_ml is None else f"{done.core_volume_ml:.2f} ml"
        yield f"segmented volume {done.volume_ml:.2f} ml, core {core}, {done.lesion_count} lesions"
        yield f"mask {done.mask}"
        yield from (f"warning: {w}" for w in done.warnings)
        yield "Research use only, not a medical device"

    _say(_segmented(done), as_json, lines)


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


def _segmented(done: Any) -> dict[str, Any]:
    same = ("case_id", "engine", "volume_ml", "core_volume_ml", "lesion_count", "seconds", "peak_rss_mb")
    told = {name: getattr(done, name) for name in same}
    probability = None if done.probability is None else str(done.probability)
    return {**told, "mask": str(done.mask), "probability": probability, "warnings": list(done.warnings)}


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise BadParameter(
            f"{text!r} is not NAME=VALUE with a number", hint="write e.g. --set min_volume=0.1"
        ) from None


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

    _say(payload, as_json, lines)


@cache_app.command("list")
def cache_list(as_json: JsonOption = False) -> None:
    """What the cache holds, largest first: images, unfinished ones too, lists of cases, results of segmentations."""
    cache, results = _kept()
    here = (*cache.entries(), *cache.unfinished(), *cache.records())
    found = [(e.source, e.case_id, e.modality, e.bytes, e.unfinished) for e in here]
    found += [("results", r.key, "segmentation", r.bytes, False) for r in results.entries()]
    found.sort(key=lambda row: -row[3])
    total = sum(row[3] for row in found)
    rows = [dict(zip(("source", "case_id", "modality", "bytes", "unfinished"), row, strict=True)) for row in found]

    def lines() -> Iterator[str]:
        yield f"{len(rows)} entries, {total / 1e6:.1f} MB"
        for source, case_id, modality, count, unfinished in found:
            note = "\tunfinished" if unfinished else ""
            yield f"{count / 1e6:8.1f} MB\t{source}\t{case_id}\t{modality}{note}"

    _say({"total_bytes": total, "entries": rows}, as_json, lines)


@cache_app.command("clear")
def cache_clear(as_json: JsonOption = False) -> None:
    """Remove every image, list and result from the cache; nothing that cannot be fetched or made again."""
    cache, results = _kept()
    freed = cache.clear() + results.clear()
    _say({"freed_bytes": freed}, as_json, lambda: iter([f"freed {freed / 1e6:.1f} MB"]))


def _kept() -> tuple[Any, Any]:
    from core.hub.cache import Cache
    from core.segmentation.kept import Results

    folder = load_settings().cache_dir
    return Cache(folder), Results(folder)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """What RAM and disk this container really has, and how the previous run ended."""
    from core.resources.doctor import doctor as examine
    from core.resources.doctor import in_words

    found = examine(load_settings())

    _say(found, as_json, lambda: in_words(found))
