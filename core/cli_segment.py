"""The commands that make masks: `segment`, with any engine, and `consensus`, over what `segment` wrote.

The same workflows as the Segment page. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli_words import NOTICE, JsonOption, SourceOption, note, note_phase, say, source_of, watch
from core.errors import BadParameter, EngineAbsent
from core.settings import Settings, load_settings

SetOption = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, may be given several times")]
OutOption = Annotated[Path, typer.Option(help="folder for the mask and its sidecar")]
BidsOption = Annotated[Path | None, typer.Option(help="also write the result as a BIDS derivative into this .zip")]
ReportOption = Annotated[Path | None, typer.Option(help="also write a report of two pages into this .html")]


def segment(
    case: Annotated[str | None, typer.Argument(help="case id, or give --dwi and --adc")] = None,
    source: SourceOption = None,
    dwi: Annotated[Path | None, typer.Option()] = None,
    adc: Annotated[Path | None, typer.Option()] = None,
    flair: Annotated[Path | None, typer.Option()] = None,
    engine: Annotated[str, typer.Option(help="diffusion, deepisles or network")] = "diffusion",
    model: Annotated[str | None, typer.Option(help="for network: a folder, or hub:OWNER/NAME[@REVISION]")] = None,
    chosen: SetOption = None,
    out: OutOption = ...,  # type: ignore[assignment]
    bids: BidsOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Segment the ischemic lesion of one case. Research use only, not a medical device."""
    from core.workflows import segment_case
    from core.workflows.asking import Ask
    from core.workflows.making_room import visiting
    from core.workflows.written import check_out

    given = {name: path for name, path in {"dwi": dwi, "adc": adc, "flair": flair}.items() if path is not None}
    if (case is None) == (not given):
        raise typer.BadParameter("give a case id, or --dwi and --adc")
    check_files(bids, report)
    settings = load_settings()
    found = None if model is None else _model(model, settings)
    info = _info(engine, found)
    parameters = dict(setting(info, text) for text in chosen or ())
    info.settle(parameters)  # before a byte is fetched
    if case is None:
        spec, inputs = None, segment_case.given_inputs(info, given)
    else:
        with source_of(source) as (settings, opened), visiting(settings, note) as visit:
            inputs = dict(segment_case.fetch_inputs(opened, case, info, report=watch(), visit=visit).files)
            spec = opened.spec
    ask = Ask(engine, inputs, parameters, case, spec, found)
    check_out(out, case, {name: file.sha256 for name, file in ask.inputs.items()})
    done = _make(settings, ask, out)
    write_files(done, spec, {name: inputs[name].path for name in info.inputs}, bids, report)
    say(as_payload(done), as_json, _lines(done))


def consensus(
    folders: Annotated[list[Path], typer.Argument(help="2 to 6 folders that segment wrote, or their sidecars")],
    rule: Annotated[str, typer.Option(help="majority of the masks, or mean of the probabilities")] = "majority",
    adc: Annotated[Path | None, typer.Option(help="of the same grid, for the lesions' mean ADC")] = None,
    out: OutOption = ...,  # type: ignore[assignment]
    bids: BidsOption = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join several results of one case into one, with a map of how far they lie apart."""
    from core.sources.verified import VerifiedFiles
    from core.workflows.asking import ask_consensus, images_of
    from core.workflows.written import check_out, members_of, read_written

    check_files(bids, report)
    found = [read_written(folder) for folder in folders]
    members, spec = members_of(found)
    files = VerifiedFiles()
    images = {path: files.verify(path.resolve()) for member in members.values() for path in images_of(member)}
    beside = None if adc is None else files.verify(adc.resolve())
    ask = ask_consensus(members, rule, images, spec, beside)
    check_out(out, ask.case_id, ask.images)
    done = _make(load_settings(), ask, out)
    shown: dict[str, Path] = {} if adc is None else {"adc": adc}
    write_files(done, spec, shown, bids, report, found)
    told: dict[str, Any] = {"members": [str(one.sidecar) for one in found], "rule": rule}
    told |= {"disagreement": None if done.disagreement is None else str(done.disagreement)}
    say({**as_payload(done), **told}, as_json, _lines(done))


def setting(info: Any, text: str) -> tuple[str, float | str]:
    """One --set.

    Raises:
        BadParameter: it is not NAME=VALUE, or the engine has no such parameter.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise BadParameter(f"{text!r} is not NAME=VALUE", hint="write e.g. --set min_volume=0.1")
    return name, info.read(name, value)


def check_files(bids: Path | None, report: Path | None) -> None:
    """Raise typer.BadParameter for names that the files may not have, before anything is made."""
    for path, suffix in ((bids, ".zip"), (report, ".html")):
        if path is not None and path.suffix.lower() != suffix:
            raise typer.BadParameter(f"{path.name} does not end in {suffix}")


def write_files(
    done: Any,
    spec: str | None,
    images: Mapping[str, Path],
    bids: Path | None,
    report: Path | None,
    members: Sequence[Any] = (),
) -> None:
    """What --bids and --report asked for; `members` are those of a consensus."""
    from core.workflows.written import write_bids, write_report

    if bids is not None:
        write_bids(done, spec, images, bids, members)
        note(f"BIDS derivative {bids}")
    if report is not None:
        write_report(done, spec, images, report, members)
        note(f"report {report}")


def as_payload(done: Any) -> dict[str, Any]:
    """The keys of the design."""
    same = ("case_id", "engine", "volume_ml", "core_volume_ml", "lesion_count", "seconds", "peak_rss_mb")
    told = {name: getattr(done, name) for name in same}
    probability = None if done.probability is None else str(done.probability)
    return {**told, "mask": str(done.mask), "probability": probability, "warnings": list(done.warnings)}


def _lines(done: Any) -> Callable[[], Iterator[str]]:
    def lines() -> Iterator[str]:
        core = "–" if done.core_volume_ml is None else f"{done.core_volume_ml:.2f} ml"
        yield f"segmented volume {done.volume_ml:.2f} ml, core {core}, {done.lesion_count} lesions"
        yield f"mask {done.mask}"
        yield from (f"warning: {w}" for w in done.warnings)
        yield NOTICE

    return lines


def _info(engine: str, model: Any) -> Any:
    """What the engine is, before a byte is fetched.

    Raises:
        BadParameter: it is none that segments images. BadModel: the model cannot be used.
        EngineAbsent: it cannot run here.
    """
    from core.segmentation.engine import COMBINERS, load_engine

    if engine in COMBINERS:
        raise BadParameter(f"{engine} joins results, not images", hint=f"use the command: python -m core {engine} A B")
    opened = load_engine(engine, None if model is None else model.folder)
    missing = opened.missing()
    if missing is not None:
        raise EngineAbsent(missing.sentence.rstrip("."), hint=missing.hint)
    return opened.info


def _make(settings: Settings, ask: Any, out: Path) -> Any:
    from core.hub.leases import Leases
    from core.workflows import segment_case

    Leases().take(file.path for file in ask.inputs.values())  # until this process ends
    return segment_case.segment(settings, ask, out, note_phase)


def _model(spec: str, settings: Settings) -> Any:
    from core.segmentation.models import find_model

    found = find_model(spec, settings, report=model_watch())
    if found.note:
        note(found.note)
    return found


def model_watch() -> Callable[[str, int, int], None]:
    """Tells how far a model's transfer is."""
    from core.sources.protocol import Progress

    report = watch()
    return lambda name, here, of: report(Progress(name, here, of))


COMMANDS: Sequence[Callable[..., None]] = (segment, consensus)
