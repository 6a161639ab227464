"""Rights: whether a token may write to a dataset, by what the Hub says of who it belongs to.

Decides only. Where the Hub does not say, it is left to the Hub, which refuses the first request that writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def refusal_of(who: Mapping[str, Any], repo: str) -> str | None:
    """Why a token may not write to the dataset, by what whoami says of it; None if it may, or if that is not said."""
    owner = repo.partition("/")[0]
    auth = who.get("auth")
    token = auth.get("accessToken") if isinstance(auth, Mapping) else None
    role = token.get("role") if isinstance(token, Mapping) else None
    if role == "read":
        return "this token may only read"
    if role == "fineGrained" and isinstance(token, Mapping):
        return None if _scoped(token.get("fineGrained"), owner, repo) else f"this token may not write to {repo}"
    if who.get("name") == owner:
        return None
    orgs = who.get("orgs")
    roles = {org.get("name"): org.get("roleInOrg") for org in orgs or () if isinstance(org, Mapping)}
    if isinstance(orgs, list) and owner not in roles:
        return f"this token belongs to nobody in {owner}"
    return f"this token may only read in {owner}" if roles.get(owner) == "read" else None


def is_stranger(who: Mapping[str, Any], repo: str) -> bool:
    """Whether the token's owner has nothing to do with the dataset's owner, so that no other token of theirs helps."""
    owner, orgs = repo.partition("/")[0], who.get("orgs")
    known = {org.get("name") for org in orgs if isinstance(org, Mapping)} if isinstance(orgs, list) else {owner}
    return owner not in {who.get("name"), *known}


def _scoped(fine: object, owner: str, repo: str) -> bool:
    scopes = fine.get("scoped") if isinstance(fine, Mapping) else None
    if not isinstance(scopes, list):
        return True  # it does not say: the Hub will
    for scope in scopes:
        entity = scope.get("entity") if isinstance(scope, Mapping) else None
        name = str(entity.get("name", "")) if isinstance(entity, Mapping) else ""
        if name.removeprefix("datasets/") in (owner, repo) and "repo.write" in scope.get("permissions", ()):
            return True
    return False
