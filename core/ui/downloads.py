"""Downloads of what is on screen: the mask and its sidecar, the BIDS derivative as a zip, the report.

What takes longer is made by a task first, with a word meanwhile, and offered when it is whole. Makes nothing that the
screen does not show: another threshold is another file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.case import MODALITIES
from core.errors import BadInput
from core.imaging.stream import beside, make_folder
from core.segmentation.results import JobResult
from core.sources.protocol import Cancelled, Progress, Report
from core.ui import loaders, messages
from core.ui.looks import OnScreen
from core.ui.result_view import Values
from core.ui.tasks import Task
from core.ui.waiting import retry, watcher
from core.workflows.export import bids_zip, read_sidecar, subject_of
from core.workflows.looking import Look, as_looked, told_looked
from core.workflows.members import with_members
from core.workflows.origin import Origin, origin_of
from core.workflows.report import MADE, Subject, html_report, subject_of_report

_ASKED = "downloads-asked"
MOST_FILES = 8  # zips and reports of one result that stay; the oldest go


@dataclass(frozen=True)
class Piece:
    """A file that is made before it can be saved.

    Attributes:
        label, kind: for the button, for its key.
        at: what of the result it shows: mask, threshold, smallest lesion.
        state: what it does not hold yet, in a word.
        name, mime: of the file.
        make: writes it.
    """

    label: str
    kind: str
    at: tuple[str | float, ...]
    state: str
    name: str
    mime: str
    make: Callable[[Path], object]


def draw(shown: OnScreen, look: Look | None, scores: Values | None) -> tuple[Task, ...]:
    """The buttons; returns what is being made.

    Args:
        look: what is on screen; None for the engine's own.
        scores: all of them, of this very mask; None while they are measured, or without a truth.
    """
    result, told = as_shown(shown, look)
    stem = f"{subject_of(result.case_id)}_desc-{result.engine}"
    st.download_button("Mask", _bytes_of(result.mask), file_name=f"{stem}_mask.nii.gz", mime="application/gzip",
                       key="get-mask", icon=":material/download:", on_click="ignore",
                       help="As shown, .nii.gz")  # fmt: skip
    st.download_button("Sidecar", json.dumps(told, indent=2, ensure_ascii=False) + "\n", mime="application/json",
                       file_name=f"{stem}_mask.json", key="get-sidecar", on_click="ignore",
                       help="What was measured, and how the mask was made, .json")  # fmt: skip
    at = (result.mask.name, look.threshold, look.minimum_ml) if look else ()
    unscored = scores is None and shown.truth is not None
    packing = _prepared(shown, Piece(
        "BIDS zip", "zip", at, "", f"{stem}_bids.zip", "application/zip",
        lambda out: bids_zip(result, origin(shown), out, with_parts(shown, told))))  # fmt: skip
    reporting = _prepared(shown, Piece(
        "Report", "report", at, "unscored" if unscored else "", f"{stem}_report.html", "text/html",
        lambda out: _write(html_report(result, with_parts(shown, told), subject(shown, scores)), out)))  # fmt: skip
    return tuple(task for task in (packing, reporting) if task is not None)


def as_shown(shown: OnScreen, look: Look | None) -> tuple[JobResult, dict[str, Any]]:
    """The result and its sidecar with the numbers of what is on screen."""
    if look is None:
        return shown.result, dict(shown.told)
    return as_looked(shown.result, look), told_looked(shown.told, look)


def origin(shown: OnScreen) -> Origin:
    """Where the case comes from."""
    files = {name: file.path for name, file in shown.fetched.files.items()}
    return origin_of(shown.source, files, str(loaders.settings().hf_endpoint))


def with_parts(shown: OnScreen, told: dict[str, Any]) -> dict[str, Any]:
    """The sidecar, with the members of a consensus as far as their results are kept."""
    kept = loaders.results().of_case(shown.source, shown.case.case_id) if shown.result.engine == "consensus" else ()
    others = []
    for one in kept:
        with suppress(BadInput):
            others.append(read_sidecar(one.result))
    return with_members(told, others)


def subject(shown: OnScreen, scores: Values | None) -> Subject:
    """What a report shows beside the result."""
    images = {n: f.path for n, f in shown.fetched.files.items() if n in MODALITIES and not MODALITIES[n].is_mask}
    unscored = shown.truth is not None and scores is None
    return replace(
        subject_of_report(origin(shown), images, time.strftime(MADE, time.gmtime())),
        truth=None if shown.truth is None or scores is None else shown.truth.path,
        scores=scores,
        extra=("The scores had not been measured when this report was made.",) if unscored else (),
    )


def _prepared(shown: OnScreen, piece: Piece) -> Task | None:
    """A button that has the file made, then one that saves it; returns the task while it makes it.

    What was asked for stays asked for: a run of the page that was lost, or scores that came meanwhile, lose no press.
    """
    wish = (str(shown.result.sidecar), shown.stamp, piece.kind, piece.at)
    key = ("file", *wish, piece.state)
    tasks, wanted = loaders.look_tasks(), wish in _asked()
    digest = hashlib.sha256(repr(key[2:]).encode()).hexdigest()[:16]
    out = shown.views / f"{piece.kind}-{digest}{Path(piece.name).suffix}"

    def work(report: Report, cancelled: Cancelled) -> Path:
        report(Progress(f"Making the {piece.label}", 0, None))
        piece.make(out)
        thin(shown.views, out)
        return out

    def begin() -> None:
        _ask(wish)
        retry(tasks, key)
        tasks.start(key, f"Making the {piece.label}", work, watcher())

    task = tasks.get(key) if wanted else None
    if wanted and not out.is_file() and (task is None or task.state == "done"):
        begin()
        task = tasks.get(key)
    busy = task is not None and not task.over
    if wanted and not busy and out.is_file():
        st.download_button(f"Save {piece.label}", _bytes_of(out), file_name=piece.name, mime=piece.mime,
                           key=f"save-{piece.kind}", icon=":material/download:", on_click="ignore",
                           type="primary")  # fmt: skip
        return None
    icon = ":material/hourglass:" if busy else ":material/description:"
    st.button(piece.label, key=f"make-{piece.kind}", on_click=begin, disabled=busy, icon=icon,
              help=f"Makes the {piece.label} of what is shown, then offers it")  # fmt: skip
    if task is not None and not busy and task.error is not None:
        st.error(f"**{messages.sentence(task.error)}.** {messages.capital(task.error.hint)}.")
    return task if busy else None


def thin(folder: Path, newest: Path, most: int = MOST_FILES) -> None:
    """Let the oldest files that were made for saving go."""
    with suppress(OSError):
        made = [path for path in folder.iterdir() if path.suffix in (".zip", ".html") and path != newest]
        for path in sorted(made, key=lambda path: path.stat().st_mtime)[: max(0, len(made) + 1 - most)]:
            path.unlink(missing_ok=True)


def _asked() -> list[Hashable]:
    found: list[Hashable] = st.session_state.setdefault(_ASKED, [])
    return found


def _ask(wish: Hashable) -> None:
    """Remember it among the last ones."""
    asked = _asked()
    if wish not in asked:
        asked.append(wish)
        del asked[:-MOST_FILES]


def _bytes_of(path: Path) -> Callable[[], bytes]:
    return path.read_bytes


def _write(content: bytes, out: Path) -> None:
    """Raises DiskFull, BadVolume: it could not be written."""
    make_folder(out.parent)
    with beside(out) as part:
        part.write_bytes(content)
