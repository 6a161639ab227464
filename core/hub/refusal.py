"""Refusal: what an answer of status 400 or more means, as one of our errors with its next step.

Decides only; shows nothing of the answer's body.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import HubDenied, HubError, HubNotFound, HubRateLimited, HubServerError
from core.hub.quota import in_seconds, retry_after


def limited(wait: float, has_token: bool) -> HubRateLimited:
    """The error while the Hub allows no more requests, for so many seconds."""
    hint = in_seconds(wait) + ("" if has_token else ", or set HF_TOKEN for a higher limit")
    return HubRateLimited("the Hub allows no more requests just now", hint=hint, retry_after_s=wait)


def error_of(status: int, headers: Mapping[str, str], has_token: bool, home: bool = True) -> HubError:
    """The error for a response of status 400 or more.

    Args:
        home: the endpoint itself answers. Where it redirects to knows nothing of datasets and tokens: there a "no" is
            about that address, which expires, and the endpoint gives a new one when it is asked again.
    """
    code = headers.get("x-error-code", "")
    if status == 429:
        return limited(retry_after(headers), has_token)
    if not home and not code and status < 500:
        said = f"the server that keeps the Hub's files refused the request ({status})"
        return HubServerError(said, hint="try again in a minute", storage_status=status)
    if status in (401, 403) or code == "GatedRepo":
        known = code != "RepoNotFound"
        what = "the dataset is gated or private" if known else "the dataset does not exist or is private"
        step = "ask for access on its page, or use another HF_TOKEN" if has_token else "set HF_TOKEN"
        return HubDenied(what, hint=step if known else f"check its name, or {step}")
    if status in (404, 410):
        what = {"RepoNotFound": "dataset", "RevisionNotFound": "revision", "EntryNotFound": "file"}.get(code, "page")
        first = "check HF_ENDPOINT, or " if what == "page" else ""
        return HubNotFound(f"the Hub has no such {what}", hint=f"{first}check the source's name and revision")
    if status in (408, 425) or status >= 500:
        wait = retry_after(headers, default=0.0)
        hint = in_seconds(wait) if wait > 0 else "try again in a minute"
        said = f"the Hub answered with an error of its own ({status})"
        return HubServerError(said, hint=hint, retry_after_s=wait)
    return HubServerError(f"the Hub refused the request ({status})", hint="check HF_ENDPOINT, or try again later")
