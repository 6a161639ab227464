"""Failing: what a failure of a request that writes means, as one of our errors with its next step.

Decides only. What a status means is refusal.py's; here it is who said so, and what a publisher may do then.
"""

from __future__ import annotations

import re

import httpx2

from core.errors import HubDenied, HubError, HubOffline, HubServerError, HubTimeout
from core.hub.refusal import error_of

AGAIN = "start again: it goes on where it stopped"
_SECRET = re.compile(r"hf_\w+|[\w+/=.~-]{32,}")  # a token, or a word as long as one
_ADDRESS = re.compile(r"\w+://\S+")
_MOST_TOLD = 200  # characters


def refused(response: httpx2.Response, endpoint: str) -> HubError:
    """The error for an answer of status 400 or more.

    Args:
        endpoint: the Hub's. Where it sends the bytes knows no tokens: there a "no" is about an address, which expires,
            and the Hub gives a new one.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    home = _origin(response.url) == _origin(httpx2.URL(endpoint))
    if home and response.status_code == 401:
        return HubDenied(
            "the Hub refuses the token (401); it may have expired",
            hint=f"set HF_TOKEN to one that may write, and {AGAIN}",
        )
    if home and response.status_code == 403:
        said = told(headers.get("x-error-message", ""))
        return HubDenied(
            "the Hub does not allow it (403)" + (f": {said}" if said else ""),
            hint="look whether the token may write there, whether the branch is protected, and whether there is room "
            f"left in your storage; then {AGAIN}",
        )
    return error_of(response.status_code, headers, has_token=True, home=home)


def told(message: str) -> str:
    """What the Hub says in a header, on one short line: what may be a secret or an address is left out."""
    plain = "".join(c if c.isprintable() else " " for c in message)
    text = " ".join(_SECRET.sub("…", _ADDRESS.sub("…", plain)).split())
    return text if len(text) <= _MOST_TOLD else text[:_MOST_TOLD] + "…"


def broken(error: httpx2.TransportError) -> HubError:
    """The error for a request without an answer."""
    if isinstance(error, httpx2.TimeoutException):
        return late()
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return HubOffline("the Hub cannot be reached", hint="check the network, and start again")
    return HubServerError("the connection to the Hub broke", hint=AGAIN)


def late() -> HubTimeout:
    """The error for an answer that takes too long."""
    return HubTimeout("the Hub did not answer in time", hint=AGAIN)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme)
