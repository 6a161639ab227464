"""The Publish page as tests see it: an app with a token that may write and a key, and what is on the page."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.ui import loaders
from core.ui.publish_desk import shared
from core.ui.publish_token import writer_now
from tests.hubserver import HubServer
from tests.hubserver.writes import person
from tests.ui.pages import ROOT, words

PAGE = ROOT / "pages" / "4_Publish.py"
TOKEN, READER, KEY = "hf_writewritewrite", "hf_readreadread", "a long passphrase ü"
USERS = {TOKEN: person("tester", orgs={"owner": "write"}), READER: person("tester", role="read")}


def prepare(monkeypatch: pytest.MonkeyPatch, hub: HubServer, **env: str) -> None:
    """An app with a token that may write, and a key, which the Hub has told all about."""
    hub.writes.users = dict(USERS)
    usual = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "STROKESCOPE_PUBLISH_KEY": KEY, "SPACE_ID": ""}
    for name, value in {**usual, "HF_HUB_OFFLINE": "", **env}.items():
        monkeypatch.setenv(name, value)
    shared.cache_clear()
    st.cache_resource.clear()
    settings = loaders.settings()
    writer_now(settings, lambda: loaders.hubs().of(settings), loaders.lists(), first_s=60.0)


def publish(signed_in: bool = True) -> AppTest:
    """The page alone, without its frame."""
    app = AppTest.from_file(str(PAGE), default_timeout=90)
    if signed_in:
        app.session_state["publish-in"] = True
    app.run()
    assert not app.exception
    return app


def pressable(app: AppTest, key: str) -> bool:
    """Whether that button can be pressed; by its key or its label."""
    return not next(b for b in app.button if b.key == key or b.label == key).disabled


def texts(app: AppTest) -> str:
    """All words on the page, those of bars too."""
    return words(app) + " ".join(str(e.value) for e in (*app.success, *app.warning)) + bars(app)


def bars(app: AppTest) -> str:
    """What stands above the progress bars."""
    return " ".join(str(bar.proto) for bar in app.get("progress"))
