"""Guarded: what gets or makes a case's images goes through the door first, and leaves no trace where all is here.

Predicts from sizes that the source knows; the door, the record and safe mode are the guard's. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.case import CaseRef
from core.errors import FetchCancelled, JobCancelled
from core.hub.turns import FRONT, Turn
from core.resources.cost import Step, fetch_step, sample_step
from core.resources.guard import Guard, OnWaiting
from core.resources.phases import case_word
from core.settings import DEFAULT_SOURCE, Settings
from core.sources.protocol import Cancelled, Fetched, Report, Source, never, no_report

PUBLIC = ("sample", DEFAULT_SOURCE)  # sources whose case ids may stand in the record; others may be somebody's own


@dataclass(frozen=True)
class Visit:
    """Who comes to the door.

    Attributes:
        owner: a session, for turns; never recorded.
        waiting: as Guard.enter.
        automatic: no person asked for it.
    """

    guard: Guard
    owner: str = ""
    waiting: OnWaiting = lambda sentence: None
    automatic: bool = False

    @contextmanager
    def enter(self, step: Step, phase: str, cancelled: Cancelled) -> Iterator[None]:
        """As Guard.enter, for a transfer: raises FetchCancelled when it was stopped while it waited."""
        begun = False
        try:
            with self.guard.enter(step, phase, self.owner, cancelled, self.waiting, automatic=self.automatic):
                begun = True
                yield
        except JobCancelled as error:
            if begun:
                raise
            raise FetchCancelled("stopped while it waited for its turn", hint="press Retry to go on") from error


def costs_network(source: Source) -> bool:
    """Whether opening a case of this source moves bytes over a network."""
    return source.spec.startswith("hub:")


def recorded_case(settings: Settings, case_id: str | None, source: str | None) -> str:
    """The case as the record may name it: ids of public cohorts as they are, others as a word that hides them."""
    public = source is not None and source.partition("@")[0] in PUBLIC
    return "" if case_id is None else case_word(case_id, settings.state_dir, public=public)


def fetch(
    visit: Visit | None,
    source: Source,
    case_id: str,
    names: Sequence[str],
    report: Report = no_report,
    cancelled: Cancelled = never,
    turn: Turn = FRONT,
    known: CaseRef | None = None,
) -> Fetched:
    """As the source's `fetch`, behind the door when something must be fetched or made.

    Args:
        visit: None for no door.
        known: what is known of the case; None to ask the source where the door must hear the sizes.

    Raises:
        OverBudget, Quarantined: the door did not let it in.
        HubError, CaseNotFound, BadVolume, DiskFull, FetchCancelled: as the source does.
    """
    step = None if visit is None else fetch_needs(visit.guard.settings, source, case_id, names, known)
    if step is not None and known is None and visit is not None and costs_network(source):
        asked = source.case(case_id, cancelled)
        step = fetch_needs(visit.guard.settings, source, case_id, names, asked)
    if visit is None or step is None:
        return source.fetch(case_id, list(names), report, cancelled, turn)
    with visit.enter(step, step.kind, cancelled):
        return source.fetch(case_id, list(names), report, cancelled, turn)


def fetch_needs(
    settings: Settings, source: Source, case_id: str, names: Sequence[str], known: CaseRef | None = None
) -> Step | None:
    """What getting these images takes; None when nothing must be fetched or made. Makes no request.

    Raises:
        CaseNotFound: no such case.
    """
    if not (costs_network(source) or source.synthetic):
        return None
    if source.synthetic:
        known = source.case(case_id)
    there = set(names) if known is None or known.modalities is None else set(names) & set(known.modalities)
    missing = there - source.cached(case_id)
    if not missing:
        return None
    word = recorded_case(settings, case_id, source.spec)
    sizes = {} if known is None else known.sizes
    if source.synthetic:
        return sample_step(sum(sizes.values()), word)  # all images of a case are made together
    return fetch_step(sum(sizes.get(name, 0) for name in missing), case=word)
