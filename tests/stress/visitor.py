"""A visitor without a browser: one real session over the app's own socket, that sees buttons and words and presses.

Speaks Streamlit's protocol as its page does; keeps the cookies that the app gave. Draws nothing and runs no fragment by
itself: `look` runs the page again.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE_S = 180.0


class Visitor:
    """One session on one page.

    Args:
        url: of the app, with a slash at the end.
        page: its path; query: what its address says.
        cookies: of an earlier visit of the same person; "" for somebody new.
    """

    def __init__(self, url: str, page: str, cookies: str = "", **query: str) -> None:
        self._page, self._query = page, urlencode(query)
        self.cookies = cookies or _cookies_of(url)
        self._seen: dict[tuple[int, ...], tuple[int, Any]] = {}
        self._lock, self._ran, self._hash = threading.Lock(), threading.Condition(), ""
        self._run = self._finished = 0
        headers = {"Cookie": self.cookies} if self.cookies else {}
        self._held = ExitStack()
        call = connect(
            f"{url.replace('http', 'ws', 1)}_stcore/stream", subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=headers, max_size=None, ping_interval=None, open_timeout=PATIENCE_S,
        )  # fmt: skip
        self._socket = self._held.enter_context(call)
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()
        self.look()

    def look(self, pressed: str = "") -> None:
        """Run the page, with a button pressed or none, and wait until it has run."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self._query, self._hash
        if not self._hash:
            state.page_name = self._page
        if pressed:
            state.widget_states.widgets.add(id=pressed, trigger_value=True)
        with self._ran:
            before = self._finished
            self._socket.send(message.SerializeToString())
            assert self._ran.wait_for(lambda: self._finished > before, PATIENCE_S), "the page did not run"

    def buttons(self) -> dict[str, str]:
        """The buttons that can be pressed: label -> id."""
        found = (element.button for element in self._elements() if element.WhichOneof("type") == "button")
        return {button.label: button.id for button in found if not button.disabled}

    def can(self, word: str) -> bool:
        """Whether there is a button to press whose label begins so."""
        return any(label.startswith(word) for label in self.buttons())

    def press(self, word: str) -> bool:
        """Press the first button whose label begins so; False when there is none."""
        chosen = next((key for label, key in self.buttons().items() if label.startswith(word)), "")
        if chosen:
            self.look(chosen)
        return bool(chosen)

    def words(self) -> str:
        """All that stands on the page."""
        return " ".join(str(element) for element in self._elements())

    def until(self, seen: Callable[[Visitor], object], limit_s: float = PATIENCE_S) -> None:
        """Look again and again until something is seen."""
        deadline = time.monotonic() + limit_s
        while not seen(self):
            assert time.monotonic() < deadline, self.words()[-2000:]
            time.sleep(0.3)
            self.look()

    def leave(self) -> None:
        """Close the tab."""
        self._held.close()
        self._ear.join(PATIENCE_S)

    def _elements(self) -> Iterator[Any]:
        with self._lock:
            found = [element for _, element in self._seen.values()]
        return iter(found)

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            for data in self._socket:
                message = ForwardMsg()
                message.ParseFromString(data)
                self._hear(message)
        with self._ran:
            self._finished += 1
            self._ran.notify_all()

    def _hear(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._run += 1
        elif kind == "navigation":
            self._hash = message.navigation.page_script_hash
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            with self._lock:
                self._seen[tuple(message.metadata.delta_path)] = (self._run, message.delta.new_element)
        elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            with self._lock:
                self._seen = {path: told for path, told in self._seen.items() if told[0] == self._run}
            with self._ran:
                self._finished += 1
                self._ran.notify_all()


def _cookies_of(url: str) -> str:
    page = urllib.request.Request(url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(page, timeout=PATIENCE_S) as answer:
        given = answer.headers.get_all("Set-Cookie") or ()
    return "; ".join(one.partition(";")[0] for one in given)
