"""Publish work: the steps of publishing inside a staging folder that is ours: build, send, card, verify.

Each tells its progress and goes on where an earlier run stopped. Which steps follow each other is publish_dataset.py's
and publish_night.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from core.hub.policy import Cancelled
from core.publish import build as building
from core.publish import changes
from core.publish.finish import finish
from core.publish.plan import Plan
from core.publish.report import Report
from core.publish.report import as_json as report_as_json
from core.publish.rescan import note_source
from core.publish.rolling import roll
from core.publish.room import Room
from core.publish.sending import CLOCK, Clock, Options
from core.publish.staging import Staging, begin, resume
from core.publish.tree import Tree
from core.publish.trial import Trial
from core.publish.upload import Uploaded, upload
from core.publish.validate import validate
from core.publish.verify import Verified, verify
from core.settings import Settings
from core.workflows.publish_ask import How, Publication, fingerprint, tree_sum
from core.workflows.publish_beats import Beats
from core.workflows.publish_card import about_card, check_freer, note_card
from core.workflows.publish_guard import Clients, check_hub, check_replaces, require, room_of
from core.workflows.publish_papers import VERIFIED, keep_payload, verified_payload
from core.workflows.publish_plan import plan_of, sums, view_of
from core.workflows.publish_progress import FILE

TREE = "tree"  # a note: sum of the source (publish_ask.tree_sum) as it was when the folder was begun or gone on with
LEAST_REST_S = 60.0  # that the Hub may ask for without any patience
_LEAST = 4  # attempts without any patience: within about a minute


@dataclass(frozen=True)
class Ours:
    """A staging folder that is ours for now, and how work in it is done, told and stopped.

    Attributes:
        waits: the clock by which it waits for a Hub that is away.
    """

    staging: Staging
    how: How
    beats: Beats
    room: Room
    cancelled: Cancelled
    waits: Clock = CLOCK


@dataclass(frozen=True)
class Work:
    """The same with its source, so that it can be built."""

    ours: Ours
    tree: Tree
    plan: Plan


@dataclass(frozen=True)
class Validated:
    """A validation, and of what: the source and what was asked (publish_ask.fingerprint); the source (tree_sum)."""

    report: Report
    source: str
    tree: str

    def payload(self) -> dict[str, Any]:
        """The report for a program."""
        return {**report_as_json(self.report), "source": self.source, "tree": self.tree}


@dataclass(frozen=True)
class Outcome:
    """A verification, its report, and where that is kept."""

    found: Verified
    payload: Mapping[str, Any]
    kept: tuple[Path, ...]


def nothing() -> None:
    """Does nothing."""


def check(tree: Tree, how: How, beats: Beats, cancelled: Cancelled) -> Validated:
    """Validate a tree that was read. Raises as `validate_source`."""
    beats.step("validate", "checking every file of the source")
    report = validate(tree, how.validation, beats.validating, cancelled)
    return Validated(report, fingerprint(tree, how), tree_sum(tree))


@contextmanager
def begun(
    settings: Settings,
    to: Publication,
    how: How,
    beats: Beats,
    cancelled: Cancelled,
    before: Callable[[], object] = nothing,
    waits: Clock = CLOCK,
) -> Iterator[Work]:
    """The staging folder of a publication, begun or gone on with, ours inside the block.

    Args:
        before: done when the source, its plan and the container are found to be right, and nothing is written yet.

    Raises:
        BadTree, BadPlan, StagingForeign, StagingBusy, StagingDamaged.
        OverBudget: the container has not the RAM or the disk. DiskFull.
        NotValid: it would be published under a freer licence than the source's.
    """
    beats.step("plan", "reading the source folder")
    tree, plan = plan_of(to, cancelled)
    check_freer(how.licence, tree.schema.licence, tree.licence)
    found = sums(settings, plan, to.staging, how, view_of(plan, to))
    require(found.needs, (found.memory, found.disk), None if how.rolling else found.rolling)
    before()
    room = room_of(settings, to.staging)
    with (
        begin(to.staging, plan, to.repo, to.revision, room, renew=True) as staging,
        beats.into(staging.view.folder / FILE),
    ):
        note_card(staging, tree, how)
        if staging.view.notes.get(TREE) != (now := tree_sum(tree)):
            staging.note(TREE, now)
        note_source(staging, tree, plan, cancelled)
        yield Work(Ours(staging, how, beats, room, cancelled, waits), tree, plan)


@contextmanager
def resumed(settings: Settings, folder: Path, how: How, beats: Beats, cancelled: Cancelled) -> Iterator[Ours]:
    """A staging folder that was begun, ours inside the block; its source is not needed.

    Raises:
        StagingForeign, StagingBusy, StagingDamaged, DiskFull.
    """
    room = room_of(settings, folder)
    with resume(folder, room) as staging, beats.into(staging.view.folder / FILE):
        yield Ours(staging, how, beats, room, cancelled)


def build_all(work: Work) -> building.Built:
    """Build what is missing."""
    ours = work.ours
    ours.beats.step("build", "building")
    built = building.build(work.plan, ours.staging, ours.beats.building, ours.cancelled, room=ours.room)
    note_source(ours.staging, work.tree, work.plan, ours.cancelled)
    return built


def roll_all(settings: Settings, work: Work, both: Clients) -> int:
    """Build, send, have it proven and free, window by window; bytes that were freed."""
    ours, view = work.ours, work.ours.staging.view
    make_sure_of_names(ours, both)
    window = sums(settings, work.plan, view.folder, ours.how, view).window or work.plan.largest
    ours.beats.step("build", "building and sending by turns")
    tell = ours.beats.rolling(lambda: ours.staging.view)
    return roll(
        *(work.plan, ours.staging, both.hub, both.pusher, window, options_of(ours.how), tell, ours.cancelled),
        clock=ours.waits,
        room=ours.room,
        read_back=ours.how.read_back is None,
    )


def make_repository(ours: Ours, both: Clients, to: Publication) -> None:
    """Make it, unless it is there; a Hub that is away is waited for. Raises as `check_hub`."""
    ours.beats.step("build", "asking the Hub for the repository")
    trial = Trial(options_of(ours.how), ours.waits, ours.beats.waiting, ours.cancelled)
    trial.run(lambda: check_hub(both, to, ours.how, ours.cancelled, ours.beats.note))


def make_sure_of_names(ours: Ours, both: Clients) -> None:
    """Nothing of somebody else is replaced; a Hub that is away is waited for. Raises as `check_replaces`."""
    trial = Trial(options_of(ours.how), ours.waits, ours.beats.waiting, ours.cancelled)
    trial.run(lambda: check_replaces(both.hub, ours.staging, ours.how, ours.cancelled))


def send_all(ours: Ours, both: Clients) -> Uploaded:
    """Send the shards that are built and not proven."""
    ours.beats.step("upload", "comparing with what the repository holds")
    changes.check(ours.staging.view, ours.cancelled)
    make_sure_of_names(ours, both)
    told = (options_of(ours.how), ours.beats.sending, ours.cancelled)
    return upload(ours.staging, both.hub, both.pusher, *told, clock=ours.waits)


def send_card(ours: Ours, both: Clients) -> None:
    """Bring the card up to date."""
    ours.beats.step("card", "bringing the card up to date")
    told = about_card(ours.staging.view)
    finish(
        *(ours.staging, both.hub, both.pusher, options_of(ours.how), ours.beats.sending, ours.cancelled),
        licence=told.licence,
        present=told.present,
        clock=ours.waits,
    )


def look_all(ours: Ours, both: Clients) -> Verified:
    """Verify."""
    ours.beats.step("verify", "looking at what the repository holds")
    return verify(
        *(ours.staging, both.hub, ours.beats.verifying, ours.cancelled),
        read_back=ours.how.read_back,
        seed=ours.how.seed,
        room=ours.room,
        options=options_of(ours.how),
        clock=ours.waits,
        about=about_card(ours.staging.view),
    )


def keep_found(ours: Ours, found: Verified, now: float) -> Outcome:
    """Keep what a verification found. Beside the folder, too, when that may be removed, or an older one lies there."""
    view = ours.staging.view
    payload, copy = verified_payload(found, view, now), beside(view.folder)
    kept = (view.folder / VERIFIED, *([copy] if found.ok or copy.exists() else []))
    for path in kept:
        keep_payload(path, payload, ours.room)
    return Outcome(found, payload, kept)


def beside(folder: Path) -> Path:
    """Where the report lies that outlives the staging folder."""
    return folder.with_name(f"{folder.name}.verified.json")


def options_of(how: How) -> Options:
    """How it is sent, and for how long a Hub that is away is waited for."""
    options = Options(files=how.commit_files, bytes=how.commit_bytes, create=False, private=not how.public)
    longest = max(4 * options.pause_s, min(options.longest_s, how.patience_s / 10))
    options = replace(options, longest_s=longest, longest_rest_s=max(LEAST_REST_S, how.patience_s))
    return replace(options, attempts=attempts_for(how.patience_s, options))


def attempts_for(patience_s: float, options: Options) -> int:
    """Failures in a row until the pauses between them make up so many seconds."""
    pauses, waited, pause = 0, 0.0, options.pause_s
    while pause < options.longest_s and waited < patience_s:
        pauses, waited, pause = pauses + 1, waited + pause, 2 * pause
    return max(_LEAST, 1 + pauses + max(0, ceil((patience_s - waited) / options.longest_s)))
