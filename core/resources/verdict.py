"""Verdict: what ended a run, in which phase and on which case, for whom it was, and what says so.

`judge` is pure: a Record in, a Verdict out, by the table of what the container leaves behind. A survivor's word counts
as confirmed, circumstances as probable; where they are missing or contradict each other the verdict is "unknown".
Reads and writes nothing (record.py, runs.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.resources.beats import Beat, Vitals
from core.resources.ending import CLASSES, NORMAL, Ending
from core.resources.ending import judge as judge_code
from core.resources.events import Event
from core.resources.record import Record
from core.resources.steps import LATELY_S, beside, failed_step, heaviest, intents, open_steps
from core.resources.steps import open_step as open_step

FULL_RAM, FULL_DISK = 0.85, 0.95  # of the limit, in the last heartbeat (facts, spaces)
CHART_S = 600.0  # how much of the heartbeat goes with a verdict
STALE_S = 30.0  # a heartbeat that is older than the last sign by this is no evidence
ASLEEP_S = 47 * 3600.0  # a Space on free hardware falls asleep after 48 h without a visitor
WHOM = {"visitor": "a visitor's job", "app": "the app itself"}
_MESSAGES = (
    (re.compile(r"memory limit exceeded", re.IGNORECASE), "out of memory"),
    (re.compile(r"storage limit exceeded", re.IGNORECASE), "storage eviction"),
)


@dataclass(frozen=True)
class Verdict:
    """How a run ended.

    Attributes:
        class_: one of ending.CLASSES.
        confidence: "confirmed", "probable" or "none".
        evidence: sentences for people.
        started_at, ended_at: seconds since 1970; the end may be unknown.
        run: its id.
        phase, case, whom: the risky step that was under way; whom is "a visitor's job" or "the app itself".
        last_sign: when anything of the run was written last.
        chart: the heartbeat of its last minutes, oldest first.
        counts: whether it says anything for safe mode, where it is abnormal.
    """

    class_: str
    confidence: str
    evidence: tuple[str, ...]
    started_at: float
    ended_at: float | None
    run: str = ""
    phase: str | None = None
    case: str | None = None
    whom: str | None = None
    last_sign: float | None = None
    chart: tuple[Beat, ...] = ()
    counts: bool = True

    @property
    def abnormal(self) -> bool:
        """Whether it counts against the run (safemode.py)."""
        return self.class_ not in NORMAL

    def as_json(self) -> dict[str, Any]:
        """For `doctor`; without the chart."""
        said = {"class": self.class_, "confidence": self.confidence, "evidence": list(self.evidence)}
        return {**said, "phase": self.phase, "case": self.case, "whom": self.whom}


def judge(record: Record, run: str, hub_message: str | None = None) -> Verdict:
    """What ended the run, which is over.

    Args:
        hub_message: what the Hub says about the container's last failure, if anybody asked it.
    """
    own = record.of(run)
    ends = sorted((event for event in own.events if event.event == "run end"), key=_by_survivor)
    end = ends[-1] if ends else None
    later = end is not None and not _by_survivor(end)
    if end is not None and not later:  # who survives beats on, and that says nothing of the one that died
        own = replace(own, beats=tuple(beat for beat in own.beats if beat.at <= end.at))
    steps = open_steps(own)
    ending = _without_end(own, heaviest(steps), hub_message) if end is None else _with_end(own, end)
    step = _named(own, steps, end, ending.class_)
    signs = [trace.at for trace in own.traces]
    last = own.last_sign
    return Verdict(
        ending.class_,
        ending.confidence,
        (*ending.evidence, *(() if later else beside(steps, step))),
        min(signs, default=0.0),
        None if end is None or later else end.at,
        run,
        phase=step.text("phase") if step else None,
        case=step.text("case") or None if step else None,
        whom=WHOM.get(step.text("owner")) if step else None,
        last_sign=last,
        chart=tuple(beat for beat in own.beats if last is not None and beat.at >= last - CHART_S),
    )


def _by_survivor(end: Event) -> bool:
    """Whether whoever wrote down the end had seen it."""
    return not end.facts.get("found_later")


def _named(own: Record, steps: Sequence[Event], end: Event | None, class_: str) -> Event | None:
    """The step that goes with the verdict."""
    if class_ in NORMAL:
        return None
    if end is not None and not _by_survivor(end):
        return end if end.text("phase") else None
    if class_ == "out of memory":
        return heaviest(steps)
    if not steps and end is not None and class_ in ("crash", "disk full"):
        return failed_step(own, end)
    return steps[-1] if steps else None


def judge_worker(record: Record, end: Event) -> Ending:
    """What ended one worker: `end` is its "worker end" event."""
    return _worker(end, intents(record.of(end.run), end))


def _with_end(own: Record, end: Event) -> Ending:
    """A survivor wrote down how the run ended; what it could not see is added."""
    said = _stated(own, end)
    if said.class_ == "out of memory" and end.value("rc") == -9:
        return _own_kill(own, end, said)
    if said.class_ == "killed" and end.value("rc") == -9:
        kills = [e for e in own.events if e.event == "kill intent" and e.text("target") == "app"]
        if kills and 0 <= end.at - kills[-1].at < LATELY_S:
            return Ending("watchdog", "confirmed", (*said.evidence, "the watchdog had written down that it would"))
        last = _last_vitals(own)
        if last.ram is not None and last.ram >= FULL_RAM and end.facts.get("oom_kills") != 0:
            return Ending("out of memory", "probable", (*said.evidence, _ram_sentence(last)))
    if said.class_ in ("crash", "native crash"):
        full, sure = _disk_full(own, end.at)
        if full:
            return Ending("disk full", sure, (*said.evidence, full))
    if said.class_ == "clean stop" and _was_asleep(own, end):
        idle = "it ran on a Space and nobody had used it for two days"
        return Ending("sleep", "probable", (*said.evidence, idle))
    return said


def _own_kill(own: Record, end: Event, said: Ending) -> Ending:
    """The kernel's kills that were counted may have been those of workers, and the app's end another matter."""
    ends = [e for e in own.events if e.event == "worker end" and 0 <= end.at - e.at < LATELY_S]
    workers = sum(event.value("oom_kills") or 0 for event in ends)
    if workers < (end.value("oom_kills") or workers + 1):
        return said
    last, why = _last_vitals(own), "as many kills for memory as were counted had ended workers just before"
    if last.ram is not None and last.ram >= FULL_RAM:
        return Ending("out of memory", "probable", (*said.evidence, why, _ram_sentence(last)))
    return Ending("killed", "probable", (*said.evidence, why, *_calm(last)))


def _stated(own: Record, end: Event) -> Ending:
    """The ending as the survivor put it, or from the return code alone (a heartbeat has room for no more)."""
    class_, sure, code = end.text("class"), end.text("confidence"), end.value("rc")
    evidence = end.facts.get("evidence")
    if class_ in CLASSES and sure in ("confirmed", "probable", "none"):
        return Ending(class_, sure, evidence if isinstance(evidence, tuple) else ())
    if class_:
        return Ending("unknown", "none", ("a later version wrote down its end, in words that this one does not know",))
    if code == -9 and (planned := _planned(own)) is not None:
        return planned
    if code is not None:
        found = judge_code(int(code))
        return Ending(found.class_, "probable" if int(code) in (-9, -15, -2) else found.confidence, found.evidence)
    return Ending("clean stop", "probable", ("an end was recorded, without its return code",))


def _planned(own: Record) -> Ending | None:
    """An end that was written down before it came."""
    if any(event.event == "stop asked" for event in own.events):
        return Ending("clean stop", "probable", ("it was asked to stop", "its record ends before it had stopped"))
    if any(event.event == "kill intent" and event.text("reason") == "hung" for event in own.events):
        wrote = "the supervisor had written down that it would end it: no answer"
        return Ending("hung", "probable", ("there is no stop record", wrote))
    return None


def _without_end(own: Record, step: Event | None, hub_message: str | None) -> Ending:
    """Nobody lived to write down the end: the Hub's word, then circumstances, otherwise unknown."""
    silent, space = "there is no stop record", _on_space(own)
    if (planned := _planned(own)) is not None:
        return planned
    for pattern, class_ in _MESSAGES:
        if hub_message and pattern.search(hub_message):  # of a Space's container, and this run may not have been in one
            said = "the Hub says that the container exceeded this limit"
            return Ending(class_, "confirmed" if space else "probable", (silent, said))
    last, found = _last_vitals(own), []
    if last.ram is not None and last.ram >= FULL_RAM:
        found.append(Ending("out of memory", "probable", (silent, _ram_sentence(last))))
    elif (over := _over_limit(own, step)) is not None:
        found.append(Ending("out of memory", "probable", (silent, over)))
    full, _ = _disk_full(own, own.last_sign or 0.0)
    if full:
        found.append(Ending("disk full", "probable", (silent, full)))
    elif space and last.disk is not None and last.disk >= FULL_DISK:
        said = f"disk was at {100 * last.disk:.0f} % of its limit in the last heartbeat"
        found.append(Ending("storage eviction", "probable", (silent, said)))
    if len(found) == 1:
        return found[0]
    both = tuple(dict.fromkeys(sentence for ending in found for sentence in ending.evidence))
    return Ending("unknown", "none", both or (silent, "its processes are gone", *_calm(last), *_mute(own)))


def _worker(end: Event, announced: Sequence[Event]) -> Ending:
    rc, kills = end.value("rc"), end.value("oom_kills")
    if rc is None:
        return Ending("unknown", "none", ("the return code was not recorded",))
    if announced and int(rc) in (-9, -15, 137, 143):
        why = announced[-1].text("reason")
        reason = f"the watchdog wrote down, before it did, that it would kill it{f' ({why})' if why else ''}"
        return Ending("watchdog", "confirmed", (reason, _ram_in(announced[-1])))
    if end.facts.get("cancelled"):
        return Ending("clean stop", "confirmed", ("it was cancelled",))
    return judge_code(int(rc), oom_kills=None if kills is None else int(kills))


def _last_vitals(own: Record) -> Vitals:
    """RAM and disk as they were last known: the newest heartbeat, or what an event says where that is newer.

    Nothing when that was long before the last sign of the run.
    """
    beat = next((beat for beat in reversed(own.beats) if beat.vitals.ram_limit), None)
    during = [event for event in own.events if event.event != "run end" and not event.facts.get("found_later")]
    told = next((event for event in reversed(during) if event.value("ram_percent") is not None), None)
    newest = max((trace.at for trace in (beat, told) if trace is not None), default=None)
    if newest is None or (own.last_sign or newest) - newest > STALE_S:
        return Vitals()
    if told is not None and (beat is None or told.at > beat.at):
        disk = told.value("disk_percent")
        return Vitals(told.value("ram_percent"), 100.0, disk_used=disk, disk_limit=None if disk is None else 100.0)
    return beat.vitals if beat else Vitals()


def _over_limit(own: Record, step: Event | None) -> str | None:
    """A sentence when the step under way was predicted to need more than the limit leaves."""
    if step is None or step.value("predicted_mb") is None:
        return None
    used, limit, predicted = (step.value(name) or 0.0 for name in ("ram_mb", "ram_limit_mb", "predicted_mb"))
    if limit <= 0 or used + predicted <= limit:
        return None
    return f"the step was predicted to need {predicted:.0f} MB with {used:.0f} MB of {limit:.0f} MB in use"


def _disk_full(own: Record, until: float) -> tuple[str, str]:
    """A sentence and a confidence when the disk refused a write (errno 28) just before; "" when not."""
    told = [event.at for event in own.events if event.event == "disk full"]
    if told and until - max(told) < LATELY_S:
        return "just before, the disk had refused a write (errno 28)", "confirmed"
    felt = [beat.at for beat in own.beats if beat.errno == 28]
    if felt and until - max(felt) < LATELY_S:
        return "just before, the disk had refused to keep the record (errno 28)", "probable"
    return "", "none"


def _was_asleep(own: Record, end: Event) -> bool:
    used = max(
        (event.at for event in own.events if event.event == "run start" or event.event.startswith("phase")),
        default=end.at,
    )
    return _on_space(own) and end.at - used >= ASLEEP_S


def _on_space(own: Record) -> bool:
    """Whether it ran on a Space, by its own word: only there is a container evicted or put to sleep."""
    return any(event.event == "run start" and event.facts.get("space") for event in own.events)


def _ram_sentence(last: Vitals) -> str:
    return f"RAM was at {100 * (last.ram or 0):.0f} % of its limit in the last heartbeat"


def _calm(last: Vitals) -> tuple[str, ...]:
    return (f"RAM was only at {100 * last.ram:.0f} % of its limit",) if last.ram is not None else ()


def _mute(own: Record) -> tuple[str, ...]:
    told = [event for event in own.events if event.event in ("app silent", "app answers")]
    return ("the app had not answered any more",) if told and told[-1].event == "app silent" else ()


def _ram_in(event: Event) -> str:
    used, limit = event.value("used_mb"), event.value("limit_mb")
    return "" if used is None or limit is None else f"RAM was at {used:.0f} of {limit:.0f} MB"
