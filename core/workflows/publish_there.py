"""Publish there: what a repository holds already, before anything is sent to it: other data, another dataset's card, a
licence that we do not know of; and who will see what is sent.

Refuses with the next step; changes nothing.
"""

from __future__ import annotations

from core.errors import BadPlan, HubCorrupt, HubError, HubNotFound
from core.hub.client import Hub
from core.hub.policy import Cancelled
from core.publish.card import About
from core.publish.claims import licence_in, others
from core.publish.described import read
from core.publish.proof import Remote, judge, look_up, stopping
from core.publish.view import View
from core.workflows.publish_card import about_card
from core.workflows.publish_guard import SENDS, is_there
from core.workflows.publish_sight import Sight, ask, said
from core.workflows.publish_work import Ours

_NAMED = 3  # files that a sentence lists


def check_there(hub: Hub, ours: Ours) -> None:
    """Look at what the repository holds; who will see it is told. Nothing to be said of one that is not there.

    Raises:
        BadPlan: it holds data files of something else, or a card of another dataset that nobody said may be replaced,
            or one with a licence while nobody says under which licence the source is.
        HubError, PublishCancelled.
    """
    view = ours.staging.view
    repo, revision = view.identity.repo, view.identity.revision
    with stopping():
        if not is_there(hub, repo, revision, ours.cancelled):
            return
    remote = look_up(hub, repo, revision, ours.cancelled)
    check_alone(view, remote)
    if view.notes.get(SENDS) != repo:  # a card that came since is the owner's
        check_card(about_card(view), _card(hub, remote, ours.cancelled), ours.how.replace)
    line = said(repo, _sight(hub, repo, ours.cancelled), ours.how.public)
    if line:
        ours.beats.note(line)


def check_alone(view: View, remote: Remote) -> None:
    """Raise BadPlan if the repository holds data files of something else: readers would take them for ours."""
    unexpected = judge(view, remote).unexpected
    if unexpected:
        named = ", ".join(unexpected[:_NAMED]) + (", …" if len(unexpected) > _NAMED else "")
        count = f"{len(unexpected)} data file{'s' * (len(unexpected) > 1)}"
        raise BadPlan(
            f"{view.identity.repo} holds {count} of something else ({named})",
            hint="remove them there, or publish to another repository or branch",
        )


def check_card(wanted: About, existing: str, replace: bool) -> None:
    """Raise BadPlan for a card that ours may not be written into.

    Args:
        existing: the card that is there; "" for none.
        replace: whether somebody said that it may be replaced.
    """
    licence = licence_in(existing)
    if licence and not wanted.licence:
        raise BadPlan(
            f"the source names no licence, and the card of {wanted.repo} says {licence}",
            hint="name the right one with --licence, or take it out of that card",
        )
    keys = others(wanted, existing)
    if keys and not replace:
        raise BadPlan(
            f"the card of {wanted.repo} tells of another dataset ({', '.join(keys)})",
            hint="--replace puts ours in their place (its history keeps the old ones), or choose another repository",
        )


def _card(hub: Hub, remote: Remote, cancelled: Cancelled) -> str:
    """The card; "" if there is none, or one that is not what its own list says: the verification tells of that."""
    try:
        return read(hub, remote, cancelled)
    except (HubNotFound, HubCorrupt):
        return ""


def _sight(hub: Hub, repo: str, cancelled: Cancelled) -> Sight:
    try:
        with stopping():
            return ask(hub, repo, cancelled)
    except HubError:
        return "unknown"  # nothing depends on it
