"""What a Hub that says no is understood to mean, and how much of its own words is shown."""

from __future__ import annotations

import httpx2
import pytest

from core.errors import HubDenied
from core.hub.failing import refused, told
from core.hub.rights import is_stranger

HUB = "https://hub.example"


def answer(status: int, message: str | None = None) -> httpx2.Response:
    headers = {} if message is None else {"X-Error-Message": message}
    return httpx2.Response(
        status, headers=headers, request=httpx2.Request("POST", f"{HUB}/api/datasets/a/b/commit/main")
    )


def test_a_token_that_is_not_known_is_told_apart_from_what_is_not_allowed() -> None:
    unknown, barred = refused(answer(401), HUB), refused(answer(403), HUB)
    assert isinstance(unknown, HubDenied) and isinstance(barred, HubDenied)
    assert "expired" in str(unknown) and "HF_TOKEN" in unknown.hint
    assert "expired" not in str(barred) and all(word in barred.hint for word in ("token", "protected", "storage"))


def test_what_the_hub_says_of_it_is_shown() -> None:
    said = str(refused(answer(403, "Private repository storage limit reached, please upgrade."), HUB))
    assert said == "the Hub does not allow it (403): Private repository storage limit reached, please upgrade."


def test_a_page_that_nobody_knows_may_be_a_wrong_endpoint() -> None:
    assert refused(answer(404), HUB).hint == "check HF_ENDPOINT, or check the source's name and revision"
    known = httpx2.Response(404, headers={"X-Error-Code": "RepoNotFound"}, request=answer(404).request)
    assert "HF_ENDPOINT" not in refused(known, HUB).hint


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("token hf_abcDEF123 may not", "token … may not"),
        ("see https://hub.example/x?token=secret&y=1 for more", "see … for more"),
        ("key " + "aB3" * 12 + " is bad", "key … is bad"),
        ("a\x1b[31mb \t c", "a [31mb c"),
        ("", ""),
    ],
)
def test_its_words_are_cleaned(message: str, shown: str) -> None:
    assert told(message) == shown


def test_its_words_are_short() -> None:
    assert len(told("no " * 1000)) <= 201


def test_whoever_has_nothing_to_do_with_the_owner_needs_another_repository_and_no_other_token() -> None:
    me = {"name": "me", "orgs": [{"name": "lab", "roleInOrg": "read"}]}
    assert is_stranger(me, "other/x")
    assert not is_stranger(me, "me/x") and not is_stranger(me, "lab/x")
    assert not is_stranger({"name": "me"}, "other/x"), "nobody said to whom else it belongs"
