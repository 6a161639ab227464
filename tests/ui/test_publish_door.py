"""The Publish page before anything is chosen: who may see it, what turns it on, and what is typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.publish.findings import Trouble
from core.ui import nav
from core.ui.messages import NOTICE
from core.ui.publish_desk import shared
from core.ui.publish_key import Lock
from tests.hubserver import HubServer
from tests.ui import publish_world as made
from tests.ui.pages import open_app, page, words
from tests.ui.publish_page import KEY, PAGE, READER, TOKEN, bars, prepare, pressable, publish, texts


def test_nothing_chosen_asks_for_a_folder_within_the_frame_of_every_page(desk: Path) -> None:
    app = open_app()
    app.session_state["publish-in"] = True
    app = page(app, PAGE.name)
    assert not app.exception
    assert NOTICE in words(app) and "Publish a BIDS dataset" in words(app)
    assert "as tester" in words(app)
    assert [t.key for t in app.text_input][:3] == ["publish-source", "publish-repo", "publish-staging"]
    assert pressable(app, "Check and plan")


@pytest.mark.parametrize(
    ("token", "said"),
    [("", "no token for the Hub"), (READER, "may only read"), ("hf_strangerstranger", "refuses the app")],
)
def test_without_a_token_that_may_write_it_is_off_and_says_how_to_turn_it_on(
    desk: Path, publish_hub: HubServer, monkeypatch: pytest.MonkeyPatch, token: str, said: str
) -> None:
    prepare(monkeypatch, publish_hub, HF_TOKEN=token)
    app = publish()
    assert said in words(app)
    assert "set it as HF_TOKEN" in words(app)
    assert not pressable(app, "Check and plan")


def test_on_a_space_it_is_in_the_menu_only_with_a_key(
    desk: Path, publish_hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(monkeypatch, publish_hub, SPACE_ID="owner/space")
    assert "publish" in nav.shown()
    prepare(monkeypatch, publish_hub, SPACE_ID="owner/space", STROKESCOPE_PUBLISH_KEY="")
    assert "publish" not in nav.shown()


def test_without_a_key_it_is_open_to_a_browser_of_this_machine_only(
    desk: Path, publish_hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(monkeypatch, publish_hub, STROKESCOPE_PUBLISH_KEY="")
    app = publish(signed_in=False)
    assert "it is open there only" in words(app)
    assert not app.text_input


def test_the_key_opens_it_for_this_session_and_stands_nowhere(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ticks = [100.0]
    shared().lock = Lock(lambda: ticks[0])
    app = publish(signed_in=False)
    assert [t.key for t in app.text_input] == ["publish-key"]
    for wrong in ("no", "a long passphrase", ""):
        app.text_input[0].input(wrong)
        app.button[-1].click().run()
        assert "not the key" in texts(app)
    app.text_input[0].input(KEY)
    app.button[-1].click().run()  # the right one, while one must wait
    assert "was not looked at" in texts(app)
    ticks[0] += shared().lock.wait_s()
    app.text_input[0].input(KEY)
    app.button[-1].click().run()
    assert "publish-source" in [t.key for t in app.text_input]
    assert KEY not in str(app.query_params) + texts(app) + "".join(capfd.readouterr())
    assert KEY not in "".join(p.read_text(errors="replace") for p in desk.rglob("*") if p.is_file())
    again = publish(signed_in=False)
    assert [t.key for t in again.text_input] == ["publish-key"]


def test_what_was_typed_wrong_is_said_and_nothing_begins(desk: Path) -> None:
    (desk / "source").mkdir()
    here, app = str(desk / "source"), publish()
    for source, repo, said in (
        ("/no/such/folder", "owner/name", "no such folder"),
        ("relative", "owner/name", "no whole path"),
        (here, "name", "no name of a dataset"),
        (here, "", "no name yet"),
        (
            here,
            "stranger/name",
            "token (tester's) may not write to stranger/name: tester is no member of stranger",
        ),
        ("", "owner/name", "no folder is named yet"),
    ):
        app.text_input(key="publish-source").input(source)
        app.text_input(key="publish-repo").input(repo)
        next(b for b in app.button if b.label == "Check and plan").click().run()
        assert not app.exception
        assert said.lower() in texts(app).lower()
    assert not list(desk.glob("state/publish/.desk/*"))


def test_no_path_and_no_token_in_the_address_or_the_log(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = made.kept(desk)
    made.checked(one, Trouble("file-empty", "sub-secret/x.nii.gz"))
    app = publish()
    told = str(app.query_params) + "".join(capfd.readouterr())
    for secret in (TOKEN, "the data", "staging of", "sub-secret", one.wish.key):
        assert secret not in told


def test_a_publisher_begun_elsewhere_is_shown_and_not_disturbed(desk: Path) -> None:
    wish = made.wish_of(desk)
    made.staged(Path(wish.staging), ["proven", "built", "planned"])
    made.tell(Path(wish.staging), "upload", pid=os.getpid(), done=1, total=3, unit="shards")
    app = publish()
    for key, text in (("source", wish.source), ("repo", wish.repo), ("staging", wish.staging)):
        app.text_input(key=f"publish-{key}").input(text)
    next(b for b in app.button if b.label == "Check and plan").click().run()
    assert "1 of 3 shards" in bars(app) and pressable(app, "publish-stop")
    assert not list(desk.glob("state/publish/.desk/*/*.process.json"))
