"""Token: whether the app's token may write, by what the Hub says of it; asked at most once in a few minutes.

Keeps only the name, the organisations and the rights, never the token or an address. Draws nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadSettings, HubCorrupt, HubDenied, HubError, StrokescopeError
from core.hub.client import Hub
from core.hub.policy import Cancelled
from core.hub.rights import refusal_of
from core.settings import Settings
from core.ui.tasks import Task, Tasks

ASKED_S = 300.0
FIRST_S = 2.0  # that a page waits for the first answer
_MOST = 2**20
_OTHER = "set another token as HF_TOKEN and restart the app"
_NOBODY = "this token belongs to nobody in"
_MAKE = "make a token with write access at huggingface.co/settings/tokens"


@dataclass(frozen=True)
class Writer:
    """Who the token belongs to, as far as it is known.

    Attributes:
        name: "" while nobody said.
        who: what decides about writing (`rights.refusal_of`).
        problem, step: why nothing can be published at all, and what to do; two empty texts when it can.
        unsure: why the Hub could not be asked; it is asked again when publishing starts.
    """

    name: str = ""
    who: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    step: str = ""
    unsure: str = ""

    @property
    def may(self) -> bool:
        """Whether publishing can be begun, as far as is known."""
        return not self.problem

    def refusal(self, repo: str) -> str:
        """Why it may not write to this dataset, and whose it is; "" if it may, or nobody said."""
        why = (refusal_of(self.who, repo) or "") if self.who else ""
        owner, whose = repo.partition("/")[0], f"this app's token ({self.name}'s)" if self.name else "this app's token"
        if why.startswith(_NOBODY):
            return f"{whose} may not write to {repo}: {self.name or 'its owner'} is no member of {owner}"
        return why.replace("this token", whose)

    @property
    def remedy(self) -> str:
        """What a person can do about a refusal."""
        who = self.name or "its owner"
        return f"choose a repository of {who}'s, or of an organisation in which {who} may write; or {_OTHER}"


def writer_now(settings: Settings, hub: Callable[[], Hub], tasks: Tasks, first_s: float = FIRST_S) -> Writer:
    """What is known now; waits a moment for the first answer.

    Args:
        hub: a client with the token.
        tasks: in which the question is asked.
        first_s: waited for the answer.
    """
    token = settings.hf_token
    if token is None or not token.get_secret_value().strip():
        where = "among the Space's secrets (Settings)" if settings.space_id else "in the app's environment"
        step = f"{_MAKE}, set it as HF_TOKEN {where}, and restart the app"
        return Writer(problem="Publishing is off, because this app has no token for the Hub", step=step)
    if settings.hf_hub_offline:
        step = "unset HF_HUB_OFFLINE and restart the app"
        return Writer(problem="Publishing is off, because HF_HUB_OFFLINE is set", step=step)
    key = ("publish-who", settings.hf_endpoint)
    known = tasks.get(key)
    if known is not None and known.over and time.monotonic() - known.ended > ASKED_S:
        tasks.drop(key)
    task = tasks.start(key, "asking whose the token is", lambda _, cancelled: ask(hub(), cancelled))
    task.wait(first_s)
    return judged(task)


def judged(task: Task) -> Writer:
    """What the answer means."""
    if not task.over:
        return Writer(unsure="the Hub has not answered yet")
    if task.error is not None:
        return _failed(task.error)
    who: Mapping[str, Any] = task.result
    said = _read_only(who)
    if said:
        return Writer(str(who["name"]), who, said, f"{_MAKE}, set it as HF_TOKEN and restart the app")
    return Writer(str(who["name"]), who)


def ask(hub: Hub, cancelled: Cancelled) -> Mapping[str, Any]:
    """What the Hub says of the token, no more than is needed.

    Raises:
        HubError: each kind. FetchCancelled.
    """
    said = hub.told("/api/whoami-v2", _MOST, cancelled)
    if not isinstance(said, dict):
        raise HubCorrupt("the Hub's answer cannot be read", hint="check HF_ENDPOINT, or try again")
    return reduced(said)


def reduced(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name, organisations and rights; what else the Hub tells of a person is dropped."""
    auth = said.get("auth")
    token = auth.get("accessToken") if isinstance(auth, Mapping) else None
    rights = {name: token[name] for name in ("role", "fineGrained") if name in token} if isinstance(token, dict) else {}
    orgs = said.get("orgs")
    kept = [{"name": org.get("name"), "roleInOrg": org.get("roleInOrg")} for org in orgs or () if isinstance(org, dict)]
    name = said.get("name")
    told: dict[str, Any] = {"name": name if isinstance(name, str) else "", "auth": {"accessToken": rights}}
    return told | ({"orgs": kept} if isinstance(orgs, list) else {})


def _read_only(who: Mapping[str, Any]) -> str:
    """Why the token can write nowhere; "" if it can somewhere, or nobody said."""
    token = who["auth"]["accessToken"]
    if token.get("role") == "read":
        return "Publishing is off, because the app's token may only read"
    fine = token.get("fineGrained")
    scopes = fine.get("scoped") if isinstance(fine, Mapping) else None
    if token.get("role") == "fineGrained" and isinstance(scopes, list):
        granted = [right for scope in scopes if isinstance(scope, Mapping) for right in scope.get("permissions") or ()]
        return (
            "" if "repo.write" in granted else "Publishing is off, because the app's token may write to no repository"
        )
    return ""


def _failed(error: StrokescopeError) -> Writer:
    if isinstance(error, HubDenied):
        step = f"it may have expired: {_MAKE}, set it as HF_TOKEN and restart the app"
        return Writer(problem="Publishing is off, because the Hub refuses the app's token", step=step)
    if isinstance(error, BadSettings):
        return Writer(problem=f"Publishing is off, because {error}", step=error.hint)
    return Writer(unsure=str(error) if isinstance(error, HubError) else "the Hub could not be asked")
