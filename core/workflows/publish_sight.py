"""Publish sight: who may see the repository that a publication goes to, as the Hub says now.

Of one that is there this is never promised, only told: publishing does not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from core.errors import HubCorrupt, HubDenied, HubNotFound
from core.hub.client import Hub, check_repo
from core.hub.policy import Cancelled

Sight = Literal["unknown", "new", "private", "public", "gated"]
_MOST = 4 * 2**20
_THERE: Mapping[Sight, str] = {
    "private": "private: only who has access to it will see what is sent",
    "public": "public: everybody will see what is sent",
    "gated": "public, with access on request: whoever is let in will see what is sent",
}


def ask(hub: Hub, repo: str, cancelled: Cancelled) -> Sight:
    """What the Hub says of the repository.

    Raises:
        HubError: each kind, but for one that is not there. FetchCancelled. BadSource: that is no name of one.
    """
    try:
        return sight_in(hub.told(f"/api/datasets/{check_repo(repo)}?expand=private&expand=gated", _MOST, cancelled))
    except HubNotFound:
        return "new"
    except HubDenied as error:
        return "new" if "does not exist" in str(error) else "unknown"  # the Hub denies both what it hides and lacks
    except HubCorrupt:
        return "unknown"


def sight_in(told: Any) -> Sight:
    """Who may see it, by the Hub's answer; "unknown" where that does not say."""
    private = told.get("private") if isinstance(told, Mapping) else None
    if not isinstance(private, bool):
        return "unknown"
    return "private" if private else "gated" if told.get("gated") else "public"


def said(repo: str, sight: Sight, public: bool) -> str:
    """Who will see it, of a repository that is there; "" where nothing is known.

    Args:
        public: whether it was asked for.
    """
    if sight not in _THERE:
        return ""
    stays = "; publishing does not change that" if public and sight == "private" else ""
    return f"{repo} is {_THERE[sight]}{stays}"
