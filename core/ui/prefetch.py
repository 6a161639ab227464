"""Prefetch: while a case is on screen, the images that the neighbouring rows would show are fetched in the background.

Goes after everybody else, stops when the session moves on and nobody else wants it, and is silent: what it could not
get is got, or told, when its case is opened. Never for large images, nor where nothing has to be fetched, nor for what
safe mode holds. At the door it never waits: what does not fit at once is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from core.case import MODALITIES, CaseRef
from core.errors import FetchCancelled, OverBudget, Quarantined
from core.hub.turns import Turn
from core.sources.protocol import Cancelled, Fetched, Report, Source
from core.ui import loaders, safety
from core.ui.waiting import watcher
from core.workflows.explore_case import choose, costs_network
from core.workflows.guarded import Visit, recorded_case
from core.workflows.guarded import fetch as fetch_guarded

LARGEST = 64 * 10**6  # bytes of one case: more is fetched only for who asks
SETTLE_S = 0.5  # who pages through quickly wants none of the cases between
YIELD_S = 1.0  # between two attempts of one that gave way
ATTEMPTS = 30
STEPS = (1, -1, 2)
AHEAD = "ahead"  # at the door, all of it is one owner


@dataclass(frozen=True)
class Ahead:
    """One case to get ready. `names` is None while nobody knows what the case holds; `known` is what is known of it."""

    case_id: str
    names: tuple[str, ...] | None
    known: CaseRef | None = field(default=None, compare=False)


def neighbours_to_get(
    ids: Sequence[str],
    case_id: str,
    cases: Mapping[str, CaseRef],
    cached: Callable[[str], frozenset[str]],
    wanted: Sequence[str] = (),
    acute_truth: bool = False,
    steps: Sequence[int] = STEPS,
) -> tuple[Ahead, ...]:
    """The neighbouring rows, nearest first, of which something is not here yet and is not too large.

    Args:
        ids: the rows as they stand in the list.
        cases: what is known of each.
        cached: which modalities of a case are here.
        wanted: modalities that the person chose; the neighbours will be opened with them.
        steps: rows to look at, relative to the case.
    """
    if case_id not in ids:
        return ()
    here, found = ids.index(case_id), []
    for step in steps:
        row = here + step
        if not 0 <= row < len(ids):
            continue
        case = cases.get(ids[row])
        names = None if case is None or case.modalities is None else worth_getting(case, wanted, acute_truth)
        if names is None or (names and not set(names) <= cached(ids[row])):
            found.append(Ahead(ids[row], names, case))
    return tuple(found)


def worth_getting(case: CaseRef, wanted: Sequence[str], acute_truth: bool = False) -> tuple[str, ...]:
    """What opening the case would fetch; nothing when it is too large, 4D or of unknown size."""
    names = choose(case, wanted, acute_truth).names
    sizes = [None if MODALITIES[name].is_4d else case.sizes.get(name) for name in names]
    return names if all(size is not None for size in sizes) and sum(s or 0 for s in sizes) <= LARGEST else ()


def begin(source: Source, found: Sequence[Ahead], wanted: Sequence[str], acute_truth: bool) -> None:
    """Get these ready in the background, and no others for this session."""
    tasks, me = loaders.ahead(), watcher()
    found = [ahead for ahead in found if not _is_held(source, ahead.case_id)]
    keys = {ahead.case_id: key_of(source, ahead, wanted) for ahead in found}
    tasks.leave_others(me, set(keys.values()))
    for ahead in found:
        task = tasks.get(keys[ahead.case_id])
        if task is not None and task.state == "done":
            tasks.drop(task.key)  # it was got, and has gone since
        tasks.start(keys[ahead.case_id], "", _work(source, ahead, wanted, acute_truth), me)


def steps_for(source: Source) -> tuple[int, ...]:
    """How far to look ahead: nowhere in a folder and in safe mode, one case where this machine makes them itself."""
    if not safety.may_load_ahead():
        return ()
    if costs_network(source):
        return STEPS
    busy = not (loaders.desk().idle() and loaders.jobs().idle() and loaders.fetches().idle())
    return STEPS[:1] if source.synthetic and not busy else ()


def key_of(source: Source, ahead: Ahead, wanted: Sequence[str]) -> Hashable:
    """What a task is known by."""
    return ("ahead", source.spec, ahead.case_id, tuple(ahead.names or wanted))


def _work(
    source: Source, ahead: Ahead, wanted: Sequence[str], acute_truth: bool
) -> Callable[[Report, Cancelled], Fetched | None]:
    me, visit = watcher(), Visit(loaders.guard(), AHEAD, automatic=True)
    busy = loaders.fetcher().turns.busy

    def work(report: Report, cancelled: Cancelled) -> Fetched | None:
        if not _pause(SETTLE_S, cancelled):
            return None
        names, known = ahead.names, ahead.known
        if names is None:
            known = source.case(ahead.case_id, cancelled)
            names = worth_getting(known, wanted, acute_truth)
        turn = Turn(me, background=True)
        for _ in range(ATTEMPTS if names else 0):
            try:
                if not (costs_network(source) and busy()):
                    return fetch_guarded(visit, source, ahead.case_id, names, report, cancelled, turn, known)
            except FetchCancelled:
                pass  # it gave way to somebody, unless it was stopped
            except (OverBudget, Quarantined):
                return None
            if not _pause(YIELD_S, cancelled):
                return None
        return None

    return work


def _is_held(source: Source, case_id: str) -> bool:
    """Whether a step of the case is in quarantine."""
    word = recorded_case(loaders.settings(), case_id, source.spec)
    return bool(safety.held_steps(loaders.breaker().state(), word))


def _pause(seconds: float, cancelled: Cancelled) -> bool:
    """Wait; False when it was stopped meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if cancelled():
            return False
        time.sleep(0.05)
    return not cancelled()
