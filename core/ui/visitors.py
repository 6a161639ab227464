"""Visitors: who a browser is, so that a closed tab, a lost connection or a restarted app finds its jobs again.

A random cookie that no script can read, set with the page itself; only its hash is ever kept. It tells nothing about a
person and opens nothing but the list of one's own jobs. Knows no jobs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ui.waiting import watcher

COOKIE = "strokescope_visitor"
KEEP_S = 30 * 86400  # as long as jobs are remembered
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


def owner() -> str:
    """This browser, by the hash of its cookie; this session alone where it keeps none."""
    given = st.context.cookies.to_dict().get(COOKIE, "")
    return hashed(given) if _VALUE.fullmatch(given) else watcher()


def hashed(value: str) -> str:
    """The name under which jobs of a browser are kept; it does not give the cookie away."""
    return hashlib.sha256(f"strokescope visitor {value}".encode()).hexdigest()[:32]


class Visitors:
    """ASGI middleware: gives a browser that opens a page its cookie, or keeps the one it has.

    Only with the page itself, so that no two answers of one visit give it two.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _opens_a_page(scope):
            await self._app(scope, receive, send)
            return
        cookie = set_cookie(Headers(scope=scope), str(scope.get("scheme", "http")))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, answer)


def set_cookie(headers: Headers, scheme: str) -> str:
    """The header that gives, or keeps, the cookie.

    On https it may live in a frame of another site, as Spaces are shown, apart for each of them.
    """
    secure = scheme == "https" or headers.get("x-forwarded-proto", "").split(",")[0].strip() == "https"
    value = given(headers.get("cookie", "")) or secrets.token_urlsafe(32)
    where = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
    return f"{COOKIE}={value}; Path=/; Max-Age={KEEP_S}; HttpOnly; {where}"


def given(text: str) -> str:
    """The cookie's value in a browser's header, "" for none or one that is not ours."""
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None and _VALUE.fullmatch(found.value) else ""


def _opens_a_page(scope: Scope) -> bool:
    return scope.get("method") == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
