"""Publish plan: what publishing a folder will make and take, against what the container has.

Opens no image, asks no Hub, takes no lock and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.hub.policy import Cancelled
from core.publish.foreign import foreign
from core.publish.needs import RECORD_BYTES, SEND_RATE, Needs, Rates, expect, judge
from core.publish.plan import Plan, make_plan
from core.publish.records import State, identify
from core.publish.room import SPARE
from core.publish.schema import schema_named
from core.publish.staging import is_renewable
from core.publish.tree import Tree, scan
from core.publish.view import MANIFEST, View, look
from core.resources.budget import Decision, advice, decide_disk
from core.resources.memory import MB
from core.settings import Settings
from core.workflows.publish_ask import How, Publication, fingerprint
from core.workflows.publish_guard import check_apart, read_container, window_for

ROLL = "--rolling"


@dataclass(frozen=True)
class Sums:
    """What is still to be paid, and whether the container has it.

    Attributes:
        window: bytes of shards that lie in the staging folder at a time; None when all of them do.
        rolling: what it would be with `--rolling`.
    """

    needs: Needs
    memory: Decision
    disk: Decision
    window: int | None
    rolling: Needs
    rolling_disk: Decision


@dataclass(frozen=True)
class Prospect:
    """A plan in numbers.

    Attributes:
        source: fingerprint, by which a validation is recognised (publish_ask.fingerprint).
        images, bytes: of all shards. largest: of one shard.
        first, last: paths of shards in the repository.
        oversized: ids of rows that are larger than the limit of a shard and alone in one.
        states: shards in each state, of a staging folder that was begun; None when there is none.
    """

    repo: str
    revision: str
    schema: str
    staging: Path
    source: str
    rows: int
    images: int
    shards: int
    bytes: int
    largest: int
    first: str
    last: str
    oversized: tuple[str, ...]
    states: Mapping[State, int] | None
    sums: Sums

    @property
    def fits(self) -> bool:
        """Whether the container has the RAM and the disk."""
        return self.sums.memory.admitted and self.sums.disk.admitted

    @property
    def helps(self) -> bool:
        """Whether it would fit with `--rolling`, and does not without."""
        return not self.fits and self.sums.memory.admitted and self.sums.rolling_disk.admitted


def prospect(settings: Settings, to: Publication, how: How, cancelled: Cancelled = lambda: False) -> Prospect:
    """What it will make and take.

    Raises:
        BadTree, BadPlan: the folder or the names are not right. StagingForeign: the staging folder is for something
            else; both fingerprints are told. StagingDamaged.
    """
    tree, plan = plan_of(to, cancelled)
    view = view_of(plan, to)
    found = sums(settings, plan, to.staging, how, view)
    return Prospect(
        repo=to.repo,
        revision=to.revision,
        schema=tree.schema.name,
        staging=to.staging.expanduser().absolute(),
        source=fingerprint(tree, how),
        rows=len(tree.rows),
        images=len(tree.images),
        shards=len(plan.shards),
        bytes=plan.bytes,
        largest=plan.largest,
        first=plan.shards[0].name,
        last=plan.shards[-1].name,
        oversized=tuple(shard.rows[0].row_id for shard in plan.oversized),
        states=None if view is None else view.counts(),
        sums=found,
    )


def plan_of(to: Publication, cancelled: Cancelled = lambda: False) -> tuple[Tree, Plan]:
    """The source as it lies there now, and its shards. Raises BadTree, BadPlan, PublishCancelled."""
    check_apart(to.source, to.staging)
    tree = scan(to.source.expanduser(), schema_named(to.schema), cancelled)
    return tree, make_plan(tree, to.limit)


def view_of(plan: Plan, to: Publication) -> View | None:
    """The staging folder if it was begun for this; None if it was not, or nothing was built in it.

    Raises:
        StagingForeign: it was begun for something else. StagingDamaged.
    """
    if not (to.staging.expanduser() / MANIFEST).exists():
        return None
    view, wanted = look(to.staging), identify(plan, to.repo, to.revision)
    if is_renewable(view, wanted):
        return None
    if view.identity != wanted:
        raise foreign(view, wanted, plan)
    return view


def sums(settings: Settings, plan: Plan, staging: Path, how: How, view: View | None) -> Sums:
    """What is still to be paid, against what the container has now."""
    shards = () if view is None else view.shards
    built = [shard.index for shard in shards if shard.is_made]
    sent = [shard.index for shard in shards if shard.state in ("proven", "freed")]
    reading = read_container(settings, staging)
    disk = reading.disk
    free_mb = decide_disk(0.0, disk.free_bytes / MB, disk.limit_mb, disk.scale_bytes / MB).free_mb
    free = int(free_mb * MB) - RECORD_BYTES * len(plan.shards) - SPARE
    window = how.window or window_for(plan.bytes, plan.largest, free)
    rates = Rates(send=min(how.bandwidth, SEND_RATE)) if how.bandwidth else Rates()
    least = expect(plan, built, sent, how.window or plan.largest, rates)
    needs = expect(plan, built, sent, window if how.rolling else None, rates)
    memory, room = judge(needs, reading)
    return Sums(needs, memory, room, window if how.rolling else None, least, judge(least, reading)[1])


def as_json(found: Prospect) -> dict[str, Any]:
    """All of it, for a program; `help` says what would help where it does not fit."""
    told = {
        name: value for name, value in vars(found).items() if name not in ("sums", "staging", "oversized", "states")
    }
    return {
        **told,
        "staging": str(found.staging),
        "oversized": list(found.oversized),
        "states": None if found.states is None else dict(found.states),
        "needs": asdict(found.sums.needs),
        "memory": asdict(found.sums.memory),
        "disk": asdict(found.sums.disk),
        "window": found.sums.window,
        "rolling": {"needs": asdict(found.sums.rolling), "disk": asdict(found.sums.rolling_disk)},
        "fits": found.fits,
        "help": help_of(found) or None,
    }


def help_of(found: Prospect) -> str:
    """What would help where it does not fit; "" where it does."""
    if found.fits:
        return ""
    if found.helps:
        return f"free shards once they are proven ({ROLL})"
    return advice(found.sums.disk if found.sums.memory.admitted else found.sums.memory, ())
