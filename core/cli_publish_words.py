"""What the publish commands have in common: their options, how they tell progress, and how they are stopped.

Knows no command (cli_publish.py).
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from core.cli_words import note
from core.errors import BadSettings, PublishCancelled
from core.settings import parse_size

SAY_S = 30.0  # at least so often a step that goes on says how far it is


class SchemaName(StrEnum):
    """The schemas by name."""

    ISLES24 = "isles24"
    ARC = "arc"
    BIDS = "bids"


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except BadSettings as error:
        raise typer.BadParameter(error.sentence()) from None


def _read_back(text: str) -> int:
    """How many; -1 for all."""
    if text.strip().lower() == "all":
        return -1
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter("write a number, or all")
    return int(text)


SourceArgument = Annotated[Path, typer.Argument(metavar="SOURCE", help="the dataset's folder")]
SchemaOption = Annotated[SchemaName, typer.Option("--schema", help="what the folder is laid out as")]
RepoOption = Annotated[str, typer.Option("--repo", metavar="OWNER/NAME", help="a dataset on the Hub")]
RevisionOption = Annotated[str, typer.Option("--revision", help="a branch of it")]
StagingOption = Annotated[Path, typer.Option("--staging", help="the folder in which shards are built")]
CheckedOption = Annotated[
    Path | None, typer.Option("--staging", help="keep the report in this folder, for `build` and `upload` to go by")
]
RollingOption = Annotated[bool, typer.Option(help="free each shard once the repository has proven to hold it")]
WindowOption = Annotated[
    int | None, typer.Option(metavar="SIZE", parser=_size, help="of shards on the disk at a time, with --rolling")
]
LimitOption = Annotated[
    int | None, typer.Option(metavar="SIZE", parser=_size, help="of a shard of several rows, like 500M")
]
BandwidthOption = Annotated[
    int | None, typer.Option(metavar="SIZE", parser=_size, help="that is sent in a second at most, like 50M")
]
SampleOption = Annotated[int | None, typer.Option(min=0, help="images to read to the end; all by default")]
SeedOption = Annotated[int, typer.Option(help="which ones are chosen by chance")]
CountsOption = Annotated[bool, typer.Option("--counts/--no-counts", help="whether the folder is the whole dataset")]
LicenceOption = Annotated[str | None, typer.Option(help="to publish under, like cc0-1.0; the source's by default")]
PatienceOption = Annotated[float, typer.Option(min=0.0, help="hours that a Hub that is away is waited for")]
StepPatienceOption = Annotated[
    float | None,
    typer.Option("--patience", min=0.0, help="hours to wait for a Hub that is away; 10 minutes if not given"),
]
CreateOption = Annotated[bool, typer.Option("--create/--no-create", help="make the repository if there is none")]
PublicOption = Annotated[bool, typer.Option("--public", help="make it for everybody to see; private by default")]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="in place of shards of the same names, or another card, there")
]
FilesOption = Annotated[int, typer.Option("--commit-files", min=1, help="shards of one commit at most")]
BytesOption = Annotated[
    int | None, typer.Option("--commit-bytes", metavar="SIZE", parser=_size, help="of one commit at most, like 20G")
]
DespiteOption = Annotated[
    list[str] | None, typer.Option(metavar="CODE", help="an error that does not stop it; may be given several times")
]
ReadBackOption = Annotated[
    int | None, typer.Option(metavar="N|all", parser=_read_back, help="shards to fetch back and compare")
]
ReportOption = Annotated[Path | None, typer.Option(help="also keep the report in this .json")]
ProgressOption = Annotated[Path | None, typer.Option(help="also tell progress in this file", hidden=True)]


def how_of(**given: Any) -> Any:
    """The options as the workflow takes them: what was not given is its own default. Raises BadPlan."""
    from core.workflows.publish_ask import HOUR_S, STEP_PATIENCE_S, How

    told = {name: value for name, value in given.items() if value is not None}
    if "patience" in given and given["patience"] is None:
        told["patience_s"] = STEP_PATIENCE_S
    if "patience" in told:
        told["patience_s"] = told.pop("patience") * HOUR_S
    if told.get("read_back") == -1:
        told["read_back"] = None
    told["despite"] = frozenset(told.get("despite", ()))
    return How(**told)


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Whether the user stopped it, by Ctrl-C or by ending the program; a second time ends it at once.

    Raises:
        PublishCancelled: it was stopped; with the same words whatever was at hand.
    """
    asked = 0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise KeyboardInterrupt
        note("stopping; what was done stays")

    before = _install(ask)
    try:
        yield lambda: asked > 0
    except (PublishCancelled, KeyboardInterrupt):
        raise PublishCancelled("stopped by you", hint="run it again to go on") from None
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _install(ask: Callable[[int, FrameType | None], None]) -> dict[signal.Signals, Any]:
    """Let these signals ask; what they did before. A hangup that is ignored (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return {number: signal.signal(number, ask) for number in signals}


def teller(clock: Callable[[], float] = time.time) -> Callable[[Any], None]:
    """Tells a publisher's progress: each new step, each tenth of it, and now and then; not that it failed."""
    last: tuple[object, ...] = ()
    said_at = 0.0

    def tell(now: Any) -> None:
        nonlocal last, said_at
        if now.phase in ("failed", "stopped"):
            return  # the last line of all says it
        tenth = None if now.fraction is None else int(10 * now.fraction)
        until = None if now.until is None else int(now.until)
        at = (tenth if now.total else now.message) if now.until is None else until
        key = (now.phase, now.step, at)
        if key != last or clock() - said_at >= SAY_S:
            last, said_at = key, clock()
            note(in_words(now))

    return tell


def in_words(now: Any) -> str:
    """One line of progress."""
    if now.ended:
        return f"{now.phase}: {now.message}"
    parts = [now.message]
    if now.total:
        parts.append(f"{now.done} of {now.total} {now.unit}")
    if now.total_bytes:
        parts.append(f"{size(now.bytes)} of {size(now.total_bytes)}")
    if now.rate and now.until is None:
        parts.append(f"{now.rate / 1e6:.1f} MB/s")
    if now.seconds_left is not None and now.until is None:
        parts.append(f"{duration(now.seconds_left)} left")
    head = (
        now.step if now.until is None else f"{now.step}: waiting until {time.strftime('%H:%M:%S', _local(now.until))}"
    )
    return f"{head}: {', '.join(part for part in parts if part)}"


def _local(at: float) -> time.struct_time:
    return time.localtime(at)


def duration(seconds: float) -> str:
    """ "3 h 05 min", "12 min" or "40 s"."""
    minutes = int(seconds // 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def size(count: float) -> str:
    """ "1.23 GB" or "0.4 MB"."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def plan_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A plan for a person."""
    needs = told["needs"]
    rows = f"{told['rows']} row{'' if told['rows'] == 1 else 's'}"
    yield f"{rows}, {told['images']} images -> {shards(told['shards'])}, {size(told['bytes'])}"
    yield f"{told['first']} … {told['last']}, the largest {size(told['largest'])}"
    yield f"to {told['repo']}@{told['revision']}, staging folder {told['staging']}"
    for name in ("disk", "memory"):
        sum_ = told[name]
        yield (
            f"{name}\tneeds {size(1e6 * sum_['needed_mb'])}, {size(1e6 * sum_['free_mb'])} of "
            f"{size(1e6 * sum_['limit_mb'])} may be used: {'fits' if sum_['admitted'] else 'does not fit'}"
        )
    yield f"to build\t{size(needs['build_bytes'])}\tto send\t{size(needs['send_bytes'])}"
    yield f"about {duration(needs['seconds'])} at a line of 100 Mbit/s, or the bandwidth that was given"
    if told["oversized"]:
        yield f"{len(told['oversized'])} rows are larger than a shard should be, and alone in one"
    if told["states"] is not None:
        yield f"the staging folder has {counts(told['states'])}"
    if told["help"]:
        yield f"what would help: {told['help']}"


def status_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """How a staging folder stands, for a person."""
    yield f"{told['standing']}: {told['message']}" + (f"; {told['hint']}" if told["hint"] else "")
    yield f"{told['repo']}@{told['revision']}, schema {told['schema']}, {shards(told['shards'])}, {size(told['bytes'])}"
    yield f"shards: {counts(told['states'])}"
    yield f"built {size(told['built_bytes'])}, proven {size(told['proven_bytes'])}"
    now = told["progress"]
    if now is not None and told["standing"] in ("working", "waiting"):
        from core.workflows.publish_progress import Progress

        yield f"process {now['pid']}: {in_words(Progress(**now))}"
    if told["stale"]:
        left = any(told["states"].get(state) for state in ("planned", "built"))
        step = "build again before anything is sent" if left else "verify again, which compares their bytes"
        yield f"{shards(told['stale'])} built from a source that changed since: {step}"
    if told["unpublished"]:
        more = told["unpublished"]
        yield f"{more} row{'s are' if more > 1 else ' is'} in the source and in no shard: build says how to go on"
    if told["damaged"]:
        yield f"{told['damaged']} lines of the folder's record are damaged and left out"
    if told["verified"] is not None:
        found = told["verified"]
        yield f"last verified {found.get('at')}: {found.get('verified')} of {found.get('shards')}"
    if told["cleanup"]:
        yield f"the staging folder is not needed any more: {told['cleanup']}"


def shards(count: int) -> str:
    """ "1 shard", "902 shards"."""
    return f"{count} shard{'' if count == 1 else 's'}"


def counts(states: Mapping[str, int]) -> str:
    """ "3 planned, 4 proven"."""
    return ", ".join(f"{count} {state}" for state, count in states.items() if count)
