"""The cases of a source as a page needs them: at once where they are known, otherwise asked for in the background.

A page never waits for the network without saying so: what is not known within a moment is a task with its progress,
Cancel, failure and recovery.
"""

from __future__ import annotations

from core.case import CaseRef
from core.errors import StrokescopeError
from core.sources.protocol import Cancelled, Listing, Report, Source
from core.ui import loaders
from core.ui.recovery import failed, succeeded
from core.ui.tasks import Task, Work, result_of
from core.ui.waiting import QUIET_S, is_stopped, outcome, watcher
from core.workflows.explore_case import costs_network


def peek(source: Source) -> Listing | None:
    """The cases if they are known within a moment; None while they are asked for, or after a failure. Draws nothing.

    Raises:
        BadSource: a folder without cases.
    """
    if not costs_network(source):
        return source.listing()
    key = ("list", source.spec)
    if is_stopped(key):
        return loaders.known_listings().get(source.spec)
    task = _ask(source)
    if task.wait(QUIET_S) and task.state == "done":
        return _note(key[1], result_of(task))
    return loaders.known_listings().get(key[1])


def now(source: Source) -> Listing | None:
    """The cases, after waiting with progress if need be; None after a failure was shown."""
    found = peek(source)
    if found is not None:
        return _with_details(source, found)
    key, tasks = ("list", source.spec), loaders.lists()
    try:
        listing: Listing = outcome(tasks, key, f"Asking which cases {source.title} holds", _list(source))
    except StrokescopeError as error:
        failed(source, error, "list", tasks, key)
        return None
    succeeded(key)
    return _with_details(source, _note(key[1], listing))


def case_of(source: Source, case_id: str, listing: Listing | None) -> CaseRef | None:
    """What is known of a case, read from its source if need be; None after a failure was shown."""
    for case in listing.cases if listing is not None else ():
        if case.case_id == case_id and case.modalities is not None:
            return case
    key, tasks = ("case", source.spec, case_id), loaders.lists()
    try:
        what = f"Reading what {case_id} holds"
        found: CaseRef = outcome(tasks, key, what, lambda _, cancelled: source.case(case_id, cancelled))
    except StrokescopeError as error:
        failed(source, error, "case", tasks, key)
        return None
    succeeded(key)
    return found


def details(source: Source) -> Task | None:
    """The reading of what the list does not know yet: age, NIHSS, images, sizes; begun when the source answers."""
    tasks, key = loaders.lists(), ("refresh", source.spec)
    task = tasks.get(key)
    if task is None and loaders.pulses().of(source).state in ("answers", "no network needed"):
        task = tasks.start(key, "Reading the details", source.refresh, watcher())
    return task


def are_read(source: Source) -> bool:
    """Whether the details have been read, so that `now` gives them."""
    task = loaders.lists().get(("refresh", source.spec))
    return task is not None and task.state == "done"


def _with_details(source: Source, listing: Listing) -> Listing:
    task = None if listing.complete else details(source)
    return result_of(task) if task is not None and task.state == "done" else listing


def _ask(source: Source) -> Task:
    """Ask now; what was asked before may have grown since."""
    tasks, key = loaders.lists(), ("list", source.spec)
    task = tasks.get(key)
    if task is not None and task.state == "done":
        tasks.drop(key)
    return tasks.start(key, "", _list(source), watcher())


def _list(source: Source) -> Work:
    def work(report: Report, cancelled: Cancelled) -> Listing:
        return source.listing(cancelled)

    return work


def _note(spec: str, listing: Listing) -> Listing:
    """Remember what is known, so that a silent Hub does not empty the list."""
    known = loaders.known_listings()
    known.pop(spec, None)
    known[spec] = listing
    while len(known) > 16:
        known.pop(next(iter(known)), None)
    return listing
