"""Runs: when the app ran and how each run ended, for the next start and for the screen.

`RunLog` writes starts and ends into the flight record; `previous_run` and `history` read what is over. A run that
nobody lived to end is judged by the next one, which writes its verdict down. Judges nothing itself (verdict.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.resources.beats import held_runs
from core.resources.ending import CLEAN_CODES as CLEAN_CODES
from core.resources.ending import Ending as Ending
from core.resources.ending import judge as judge
from core.resources.events import READ_S
from core.resources.pids import is_alive as is_alive
from core.resources.record import Record, read_earlier, read_record
from core.resources.recorder import FOLDER, Recorder, new_run
from core.resources.verdict import Verdict
from core.resources.verdict import judge as judge_record

HISTORY = 20
PreviousRun = Verdict
Alive = Callable[[int, float | None], bool]
HubMessage = Callable[[], str | None]


class RunLog:
    """Records runs of the app. The recorder it makes or is given writes for the present one.

    Args:
        hub_message: asked once, when a run before has no end.
    """

    def __init__(
        self,
        state_dir: Path,
        clock: Callable[[], float] = time.time,
        *,
        persist_dir: Path | None = None,
        recorder: Recorder | None = None,
        hub_message: HubMessage = lambda: None,
    ) -> None:
        given = recorder or Recorder(state_dir, persist_dir, role="supervisor", run=new_run(), clock=clock)
        self.recorder, self._hub_message = given, hub_message
        self._begun = False

    def start(self, **facts: object) -> str:
        """Record that a run begins, before it does; returns its id."""
        if self._begun:
            self.recorder.run = new_run()
        self._begun = True
        self.recorder.record("run start", {"phase": "", **facts})
        return self.recorder.run

    def end(self, run: str, ending: Ending, returncode: int | None = None, **facts: object) -> None:
        """Record how the run ended."""
        said = {"class": ending.class_, "confidence": ending.confidence, "evidence": ending.evidence}
        self.recorder.record("run end", {"of_run": run, "rc": returncode, "phase": "", **said, **facts})

    def settle(self, alive: Alive | None = None, patience_s: float = READ_S) -> tuple[Verdict, ...]:
        """Judge the runs that nobody ended and write their verdicts down; returns these, oldest first.

        In a fresh container what the persistent folder holds is copied here first; where that holds nothing either, the
        Hub's word alone may tell how the container before ended. What may be no end at all does not count: a run of an
        earlier version, which wrote down few ends, and an idle one of another container, which may well serve on.

        Args:
            patience_s: how long the persistent folder may take to answer.
        """
        recorder = self.recorder
        record, adopted = read_record(recorder.state_dir), False
        if not record.runs and recorder.persist_dir is not None:
            record, adopted = read_record(recorder.state_dir, recorder.persist_dir, patience_s), True
            recorder.adopt(record.events)
        earlier = {event.run for event in read_earlier(recorder.state_dir)}
        silent = [run for run in _over(record, alive, recorder.state_dir) if not record.of(run).ended]
        judged = []
        for number, run in enumerate(silent, 1):
            message = self._hub_message() if number == len(silent) else None
            verdict = judge_record(record, run, message)
            self._write_down(verdict)
            doubtful = run in earlier or (adopted and verdict.class_ == "unknown" and verdict.phase is None)
            judged.append(replace(verdict, counts=not doubtful))
        return tuple(judged) if record.runs else self._by_hub()

    def _by_hub(self) -> tuple[Verdict, ...]:
        verdict = judge_record(Record((), ()), new_run(), self._hub_message())
        if verdict.class_ == "unknown":
            return ()
        lost = ("no record of it is here", *verdict.evidence[1:])
        self._write_down(verdict := replace(verdict, confidence="probable", evidence=lost))
        return (verdict,)

    def _write_down(self, verdict: Verdict) -> None:
        said = {"class": verdict.class_, "confidence": verdict.confidence, "evidence": verdict.evidence}
        owner = {"a visitor's job": "visitor", "the app itself": "app"}.get(verdict.whom or "", "")
        step = {"phase": verdict.phase or "", "case": verdict.case or "", "owner": owner}
        self.recorder.record("run end", {"of_run": verdict.run, "found_later": True, **said, **step})


def previous_run(
    state_dir: Path,
    alive: Alive | None = None,
    *,
    persist_dir: Path | None = None,
    hub_message: HubMessage = lambda: None,
) -> Verdict | None:
    """How the newest run that is over ended; None when no run is recorded.

    A run without an end one of whose processes still lives is the present one and is passed over.

    Args:
        alive: whether process `pid` that was born at that time still runs; a seam for tests.
        persist_dir: asked when the local record knows no run that is over.
        hub_message: asked when the run has no end.
    """
    record, over = _read(state_dir, persist_dir, alive)
    if not over:
        return None
    message = None if record.of(over[-1]).ended else hub_message()
    return judge_record(record, over[-1], message)


def history(state_dir: Path, alive: Alive | None = None, *, persist_dir: Path | None = None) -> tuple[Verdict, ...]:
    """The last runs that are over, newest first."""
    record, over = _read(state_dir, persist_dir, alive)
    return _judged(record, over)


def history_of(record: Record, state_dir: Path, alive: Alive | None = None) -> tuple[Verdict, ...]:
    """The same of a record that was read already."""
    return _judged(record, _over(record, alive, state_dir))


def _judged(record: Record, over: tuple[str, ...]) -> tuple[Verdict, ...]:
    return tuple(judge_record(record, run) for run in reversed(over[-HISTORY:]))


def _read(state_dir: Path, persist_dir: Path | None, alive: Alive | None) -> tuple[Record, tuple[str, ...]]:
    record = read_record(state_dir)
    over = _over(record, alive, state_dir)
    if not over and persist_dir is not None:
        record = read_record(state_dir, persist_dir)
        over = _over(record, alive, state_dir)
    return record, over


def _over(record: Record, alive: Alive | None, state_dir: Path) -> tuple[str, ...]:
    """Runs that have ended, or whose processes are all gone: nobody holds their heartbeat and none of them lives."""
    held = held_runs(state_dir / FOLDER) if alive is None else frozenset()
    asked, known = alive or is_alive, dict[tuple[int, float | None], bool]()

    def lives(writer: tuple[int, float | None]) -> bool:
        if writer not in known:
            known[writer] = asked(*writer)
        return known[writer]

    def over(run: str) -> bool:
        own = record.of(run)
        return own.ended or (run not in held and not any(map(lives, own.writers())))

    return tuple(run for run in record.runs if run and record.of(run).of_app and over(run))
