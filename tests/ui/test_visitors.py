"""Who a browser is: one cookie for all that it opens, hashed before it is kept, safe in its attributes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from starlette.datastructures import Headers

from core.ui.visitors import COOKIE, Visitors, given, hashed, set_cookie

VALUE = "A" * 43
Message = MutableMapping[str, Any]


def cookies_of(scope_type: str = "http", method: str = "GET", scheme: str = "http", **headers: str) -> list[str]:
    """What the middleware sets when such a request comes."""
    sent: list[Message] = []

    async def page(scope: Message, receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b"page"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": scope_type, "method": method, "scheme": scheme, "path": "/", "headers": raw}
    asyncio.run(Visitors(page)(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]


def test_a_page_gives_a_cookie_that_no_script_reads() -> None:
    (cookie,) = cookies_of(accept="text/html,*/*")
    assert re.fullmatch(
        rf"{COOKIE}=[A-Za-z0-9_-]{{43}}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax", cookie
    )  # fmt: skip
    assert cookies_of(accept="text/html")[0] != cookie  # random


@pytest.mark.parametrize("headers", [{"scheme": "https"}, {"x_forwarded_proto": "https"}])
def test_on_https_it_lives_in_a_frame_of_another_site(headers: dict[str, str]) -> None:
    (cookie,) = cookies_of(accept="text/html", **headers)
    assert cookie.endswith("; HttpOnly; SameSite=None; Secure; Partitioned")


def test_a_browser_keeps_the_one_it_has() -> None:
    (cookie,) = cookies_of(accept="text/html", cookie=f"_xsrf=1; {COOKIE}={VALUE}; other=x")
    assert cookie.startswith(f"{COOKIE}={VALUE};")


@pytest.mark.parametrize("value", ["", "short", "A" * 44, "A" * 42 + ";", "A" * 42 + "\n", "../" + "A" * 40])
def test_one_that_is_not_ours_is_replaced(value: str) -> None:
    assert given(f"{COOKIE}={value}") == ""
    cookie = set_cookie(Headers({"cookie": f"{COOKIE}={value}"}), "http")
    assert f"={value};" not in cookie


def test_nothing_else_is_touched() -> None:
    assert cookies_of(accept="application/json") == []
    assert cookies_of(method="POST", accept="text/html") == []


def test_only_a_hash_is_kept() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", hashed(VALUE))
    assert hashed(VALUE) == hashed(VALUE) != hashed("B" * 43)
