"""Target: the repository that a publication goes to: whether it is there, who may see it, and that in words.

Asked of the Hub at most once in a minute. Who may see a repository that is there is never promised, only told.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from core.hub.client import Hub
from core.publish.licences import licence_of
from core.settings import Settings
from core.ui.publish_boxes import plain
from core.ui.publish_wish import Wish
from core.ui.tasks import Tasks
from core.workflows.publish_sight import Sight, ask

ASKED_S = 60.0
FIRST_S = 2.0  # that a page waits for the first answer
_SEEN: Mapping[Sight, str] = {
    "private": "**private**", "public": "**public**", "gated": "**public**, with access on request",
}  # fmt: skip


def sight_now(
    settings: Settings, hub: Callable[[], Hub], tasks: Tasks, repo: str, commit: str = "", first_s: float = FIRST_S
) -> Sight:
    """What is known now; waits a moment for the first answer.

    Args:
        hub: a client with the token. tasks: in which the question is asked.
        commit: that was published; what was heard before it is old.
        first_s: waited for the answer.
    """
    key = ("publish-sight", settings.hf_endpoint, repo, commit)
    known = tasks.get(key)
    if known is not None and known.over and time.monotonic() - known.ended > ASKED_S:
        tasks.drop(key)
        known = None
    task = tasks.start(key, "asking who may see the dataset", lambda _, cancelled: ask(hub(), repo, cancelled))
    if known is None:
        task.wait(first_s)
    found: Sight = task.result if task.state == "done" else "unknown"
    return found


def goes_to(wish: Wish, sight: Sight, licence: str | None) -> str:
    """Where it goes, who will see it, under which licence, what is left out and what is replaced. Markdown.

    Args:
        licence: as the check tells; "" if nobody says, None while that is not known.
    """
    there = "replaces shards of the same names there" if wish.replace else "replaces no shards there"
    parts = (f"Goes to **{plain(wish.repo)}**, branch main, {_will_be(wish, sight)}", *_what(wish, licence))
    return " · ".join(parts if sight == "new" else (*parts, there))


def stands_at(wish: Wish, repo: str, revision: str, sight: Sight, licence: str | None) -> str:
    """The same of what is published. Markdown."""
    seen = f", {_SEEN[sight]}" if sight in _SEEN else ""
    return " · ".join((f"In **{plain(repo)}**, branch {plain(revision)}{seen}", *_what(wish, licence)))


def button(wish: Wish, sight: Sight) -> str:
    """What is on the button: never without a word of who will see it, where that is known."""
    if sight in ("public", "gated") or (sight == "new" and wish.public):
        return f"Publish publicly to {plain(wish.repo)}"
    return f"Publish to {plain(wish.repo)}{'' if sight == 'unknown' else ' (private)'}"


def _will_be(wish: Wish, sight: Sight) -> str:
    wished = "public" if wish.public else "private"
    if sight == "new":
        return f"**{wished}** (new)"
    if sight == "unknown":
        return f"made **{wished}** if there is none yet; one that is there stays as visible as it is"
    other = sight == "private" if wish.public else sight != "private"
    return f"{_SEEN[sight]}: it is there already" + (", and stays so whatever was chosen" if other else "")


def _what(wish: Wish, licence: str | None) -> tuple[str, ...]:
    part = ("a part of the dataset, numbers not checked",) if wish.part else ()
    return (*(() if licence is None else (_licence(licence, bool(wish.licence)),)), *part)


def _licence(said: str, chosen: bool) -> str:
    if not said:
        return "no licence is named"
    known = licence_of(said)
    name = said if known is None else known.hub_id
    creative = re.fullmatch(r"cc(0|-by[a-z-]*)-(\d\.\d)", name)
    if creative:
        name = f"CC{creative[1].upper().replace('-', ' ', 1)} {creative[2]}"
    return f"licence {plain(name)}{'' if chosen else ', the source’s'}"
