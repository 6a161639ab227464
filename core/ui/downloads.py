"""Downloads of what is on screen: the mask and its sidecar, the BIDS derivative as a zip, the report.

What takes longer is made by a task first, with a word meanwhile, and offered when it is whole. Makes nothing that the
screen does not show: another threshold is another file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from core.case import MODALITIES
from core.imaging.stream import beside, make_folder
from core.segmentation.results import JobResult
from core.sources.protocol import Cancelled, Progress, Report
from core.ui import loaders, messages
from core.ui.looks import OnScreen
from core.ui.result_view import Values
from core.ui.tasks import Task
from core.ui.waiting import retry, watcher
from core.workflows.explore_case import is_isles24, session_label
from core.workflows.export import Origin, bids_zip, subject_of
from core.workflows.looking import Look, as_looked, told_looked
from core.workflows.report import Subject, html_report

_ASKED = "downloads-asked"
MOST_FILES = 8  # zips and reports of one result that stay; the oldest go
Make = Callable[[Path], object]


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
    origin = origin_of(shown)
    packing = _prepared("BIDS zip", "zip", shown, result.mask, f"{stem}_bids.zip", "application/zip",
              lambda out: bids_zip(result, origin, out, told))  # fmt: skip
    said = "" if scores is not None or shown.truth is None else "-unscored"
    reporting = _prepared("Report", f"report{said}", shown, result.mask, f"{stem}_report.html", "text/html",
              lambda out: _write(html_report(result, told, subject(shown, scores)), out))  # fmt: skip
    return tuple(task for task in (packing, reporting) if task is not None)


def as_shown(shown: OnScreen, look: Look | None) -> tuple[JobResult, dict[str, Any]]:
    """The result and its sidecar with the numbers of what is on screen."""
    if look is None:
        return shown.result, dict(shown.told)
    return as_looked(shown.result, look), told_looked(shown.told, look)


def origin_of(shown: OnScreen) -> Origin:
    """Where the case comes from, for the derivative."""
    settings, first = loaders.settings(), next(iter(shown.told.get("Inputs", {})), "")
    file = shown.fetched.files.get(first) or shown.fetched.files.get("dwi")
    released = shown.source != "sample" and is_isles24(shown.source, None if file is None else file.path)
    return Origin(shown.source, "ncct" if released else "orig", str(settings.hf_endpoint))


def subject(shown: OnScreen, scores: Values | None) -> Subject:
    """What a report shows beside the result."""
    images = {n: f.path for n, f in shown.fetched.files.items() if n in MODALITIES and not MODALITIES[n].is_mask}
    truth = shown.truth
    words = {session_label(shown.source, name, path) for name, path in images.items()}
    known = all(is_isles24(shown.source, path) for path in images.values())
    unscored = truth is not None and scores is None
    return Subject(
        images=images,
        source=origin_of(shown).title,
        truth=None if truth is None or scores is None else truth.path,
        scores=scores,
        session="" if known else "; ".join(sorted(words)),
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        extra=("The scores had not been measured when this report was made.",) if unscored else (),
    )


def _prepared(label: str, kind: str, shown: OnScreen, mask: Path, name: str, mime: str, make: Make) -> Task | None:
    """A button that has the file made, then one that saves it; returns the task while it makes it."""
    tasks, key = loaders.look_tasks(), ("file", str(shown.result.mask), kind, str(mask))
    task = tasks.get(key) if key in _asked() else None
    busy = task is not None and not task.over  # asked once: it may end meanwhile
    if task is not None and not busy and task.state == "done" and task.result.is_file():
        st.download_button(f"Save {label}", _bytes_of(task.result), file_name=name, mime=mime, key=f"save-{kind}",
                           icon=":material/download:", on_click="ignore", type="primary")  # fmt: skip
        return None

    def begin() -> None:
        def work(report: Report, cancelled: Cancelled) -> Path:
            report(Progress(f"Making the {label}", 0, None))
            out = shown.views / f"{kind}-{hashlib.sha256(mask.name.encode()).hexdigest()[:16]}{Path(name).suffix}"
            make(out)
            thin(shown.views, out)
            return out

        if key not in _asked():
            _asked().append(key)
        retry(tasks, key)
        tasks.start(key, f"Making the {label}", work, watcher())

    icon = ":material/hourglass:" if busy else ":material/description:"
    st.button(label, key=f"make-{kind}", on_click=begin, disabled=busy, icon=icon,
              help=f"Makes the {label} of what is shown, then offers it")  # fmt: skip
    if task is not None and not busy and task.error is not None:
        st.error(f"**{messages.sentence(task.error)}.** {messages.capital(task.error.hint)}.")
    return task if busy else None


def thin(folder: Path, newest: Path, most: int = MOST_FILES) -> None:
    """Let the oldest files that were made for saving go."""
    with suppress(OSError):
        made = [path for path in folder.iterdir() if path.suffix in (".zip", ".html") and path != newest]
        for path in sorted(made, key=lambda path: path.stat().st_mtime)[: max(0, len(made) + 1 - most)]:
            path.unlink(missing_ok=True)


def _asked() -> list[Any]:
    found: list[Any] = st.session_state.setdefault(_ASKED, [])
    return found


def _bytes_of(path: Path) -> Callable[[], bytes]:
    return path.read_bytes


def _write(content: bytes, out: Path) -> None:
    """Raises DiskFull, BadVolume: it could not be written."""
    make_folder(out.parent)
    with beside(out) as part:
        part.write_bytes(content)
