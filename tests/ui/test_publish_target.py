"""Before the button is pressed: where it goes, who will see it, under which licence, what is left out and replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.hub.hubs import hub_for
from core.settings import load_settings
from core.ui.publish_boxes import plain
from core.ui.publish_target import button, goes_to, stands_at
from core.ui.publish_wish import Wish
from core.workflows.publish_sight import Sight, ask, sight_in
from tests.hubserver import Fault, HubServer
from tests.ui import publish_world as made
from tests.ui.publish_page import prepare, publish, texts

REPO = "owner/arc"


def wish(**more: object) -> Wish:
    return Wish("/data", "arc", REPO, "/staging", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sight", "public", "said", "label"),
    [
        ("new", False, "**private** (new)", "Publish to owner/arc (private)"),
        ("new", True, "**public** (new)", "Publish publicly to owner/arc"),
        ("private", True, "**private**: it is there already, and stays so", "Publish to owner/arc (private)"),
        ("private", False, "**private**: it is there already ·", "Publish to owner/arc (private)"),
        ("public", False, "**public**: it is there already, and stays so", "Publish publicly to owner/arc"),
        ("gated", True, "**public**, with access on request: it is there already ·", "Publish publicly to owner/arc"),
        ("unknown", False, "one that is there stays as visible as it is", "Publish to owner/arc"),
    ],
)
def test_who_will_see_it_is_promised_only_of_what_is_new(sight: Sight, public: bool, said: str, label: str) -> None:
    one = wish(public=public)
    assert said in goes_to(one, sight, "cc-by-nc-sa-4.0") and button(one, sight) == label


def test_the_line_tells_licence_part_and_what_is_replaced() -> None:
    assert goes_to(wish(public=True, part=True), "new", "cc-by-nc-sa-4.0") == (
        "Goes to **owner/arc**, branch main, **public** (new) · licence CC BY-NC-SA 4.0, the source’s · a part of the "
        "dataset, numbers not checked"
    )
    assert goes_to(wish(), "public", None).endswith("stays so whatever was chosen · replaces no shards there")
    there = goes_to(wish(replace=True, licence="cc0"), "private", "cc0-1.0")
    assert there.endswith("· licence CC0 1.0 · replaces shards of the same names there")
    assert "no licence is named" in goes_to(wish(), "new", "") and "licence odbl" in goes_to(wish(), "new", "ODbL")
    assert stands_at(wish(), REPO, "dev", "gated", None) == (
        "In **owner/arc**, branch dev, **public**, with access on request"
    )
    assert stands_at(wish(), REPO, "main", "unknown", None) == "In **owner/arc**, branch main"
    assert plain("o/__a__* HF_TOKEN $x [l](u)") == r"o/\_\_a\_\_\* HF_TOKEN \$x \[l\](u)"


def test_what_the_hub_says_of_a_repository() -> None:
    assert [sight_in(told) for told in (None, {}, {"private": 1}, {"private": True}, {"private": False})] == [
        "unknown", "unknown", "unknown", "private", "public"]  # fmt: skip
    assert sight_in({"private": False, "gated": "auto"}) == "gated"


def test_the_hub_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer() as server:
        server.add_dataset("owner/open", "a" * 40, {"README.md": b""})
        server.add_dataset("owner/shut", "a" * 40, {"README.md": b""})
        server.writes.private.add("owner/shut")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        settings = load_settings()
        hub = hub_for(settings)
        try:
            asked = [ask(hub, repo, lambda: False) for repo in (REPO, "owner/open", "owner/shut")]
            server.faults.add(Fault("status", "/api/datasets/", 1, status=403))
            assert ask(hub, "owner/open", lambda: False) == "unknown", "a token that is refused says nothing"
        finally:
            hub.close()
    assert asked == ["new", "public", "private"]


def test_the_page_says_it_above_the_box_and_on_the_button(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer() as server:
        prepare(monkeypatch, server)
        one = made.kept(world, part=True, public=True)
        made.checked(one)
        app = publish()
        assert "Goes to **owner/arc**, branch main, **public** (new) · licence CC0 1.0, the source’s" in texts(app)
        assert "numbers not checked" in texts(app)
        assert [b.label for b in app.button if b.key == "publish-start"] == ["Publish publicly to owner/arc"]
        made.staged(one.staging, ["proven"] * 2)
        made.tell(one.staging, "done", "verify")
        made.ended(one, "run")
        made.verified(one.staging)
        server.add_dataset("owner/arc", "a" * 40, {"README.md": b""})
        app = publish()
        assert "In **owner/arc**, branch main, **public** · licence CC0 1.0" in texts(app)
