"""What a fragment waits for is drawn by another fragment alone: over the app's own socket, as its page speaks."""

from __future__ import annotations

import json
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from tests.ui.browser import StreamlitServer

PATIENCE_S = 60.0
SCRIPT = """
import json, os
from pathlib import Path
import streamlit as st
from core.ui.redraw import redraw

def count(name):
    st.session_state[name] = st.session_state.get(name, 0) + 1

@st.fragment(run_every=3600)
def poll():
    count("poll")
    redraw("outer")
    count("after")

@st.fragment(key="outer")
def outer():
    count("outer")
    if st.session_state["outer"] < 3:
        poll()
    Path(os.environ["COUNTS"]).write_text(json.dumps(dict(st.session_state)))

count("page")
outer()
count("end")
"""


def test_only_that_fragment_is_drawn_anew(tmp_path: Path) -> None:
    page, counts = tmp_path / "page.py", tmp_path / "counts.json"
    page.write_text(SCRIPT, encoding="utf-8")
    with StreamlitServer(page, {"COUNTS": str(counts)}, tmp_path) as server:
        address = f"{server.url.replace('http', 'ws', 1)}_stcore/stream"
        with connect(address, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            ask(socket, "")
            polls = until_finished(socket)
            told = json.loads(counts.read_text())
            assert (told["page"], told["outer"], told["poll"], told["after"]) == (1, 1, 1, 1), "a whole run goes on"
            ask(socket, polls)
            while json.loads(counts.read_text())["outer"] < 3:
                until_finished(socket)
    told = json.loads(counts.read_text())
    # the poll by itself ends at once; so does the outer one's first run, by the poll within it
    assert (told["page"], told["outer"], told["poll"], told["after"], told["end"]) == (1, 3, 3, 1, 1)


def ask(socket: ClientConnection, fragment: str) -> None:
    """Run the page, or one fragment of it, as the browser's timer does."""
    message = BackMsg()
    message.rerun_script.fragment_id = fragment
    message.rerun_script.is_auto_rerun = bool(fragment)
    socket.send(message.SerializeToString())


def until_finished(socket: ClientConnection) -> str:
    """Hear the app until a run has ended; the fragment that it asks for by a timer, if any."""
    timed = ""
    while True:
        message = ForwardMsg()
        message.ParseFromString(bytes(socket.recv(PATIENCE_S)))  # type: ignore[arg-type]
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            timed = message.auto_rerun.fragment_id
        elif kind == "script_finished":
            return timed
