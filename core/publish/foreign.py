"""Foreign: why a staging folder that was begun for something else is not gone on with, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.errors import StagingForeign
from core.publish.plan import Plan
from core.publish.records import Identity
from core.publish.view import View

_NAMED = 3  # rows and columns that a sentence lists


def foreign(view: View, wanted: Identity, plan: Plan) -> StagingForeign:
    """The error for a folder that was begun for something else than this plan."""
    found = view.identity
    both = f"the staging folder was begun for {found.fingerprint()}, not for {wanted.fingerprint()}"
    if (found.repo, found.revision, _name(found)) != (wanted.repo, wanted.revision, _name(wanted)):
        return StagingForeign(
            both, hint="choose another staging folder, or give what it was begun for; nothing in it was changed"
        )
    said = _grown(view, plan)
    if said:
        return StagingForeign(f"the source has {said}; {both}", hint=f"{anew(view)}. Nothing in it was changed")
    return StagingForeign(
        f"the same rows would be in other shards; {both}",
        hint="give the limit of a shard that it was begun with, or choose another staging folder; nothing was changed",
    )


def anew(view: View) -> str:
    """The next step for a source of which other rows are to be published than a staging folder was begun for."""
    if not any(shard.is_remote for shard in view.shards):
        return "choose another staging folder, and build there"
    return (
        "publish all of it from a new staging folder: to another repository or branch, or after the data files that "
        "were sent from this one are removed in the repository"
    )


def _grown(view: View, plan: Plan) -> str:
    """What the source has more or less than the folder was begun for; "" if nothing."""
    unit = plan.schema.unit
    before = [row_id for shard in view.shards for row_id in shard.rows]
    now = [row.row_id for shard in plan.shards for row in shard.rows]
    columns = [column.name for column in view.header.schema.columns]
    wanted = [column.name for column in plan.schema.columns]
    told = (
        _told(unit, "more", _without(now, before)),
        _told(unit, "less", _without(before, now)),
        _told("column", "more", _without(wanted, columns)),
        _told("column", "less", _without(columns, wanted)),
    )
    parts = [part for part in told if part]
    if not parts and view.header.schema.columns != plan.schema.columns:
        parts = ["columns of other kinds"]
    return ", ".join(parts)


def _told(what: str, how: str, named: Sequence[str]) -> str:
    """ "2 sessions more (a, b)"; "" for none."""
    listed = ", ".join(named[:_NAMED]) + (", …" if len(named) > _NAMED else "")
    return f"{len(named)} {what}{'s' * (len(named) > 1)} {how} ({listed})" if named else ""


def _without(these: Iterable[str], those: Iterable[str]) -> list[str]:
    known = set(those)
    return [one for one in these if one not in known]


def _name(identity: Identity) -> str:
    return identity.schema.split()[0]
