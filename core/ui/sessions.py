"""Sessions: when one ends, what it held is let go: the transfers that it watched, the images on its screen.

Looks for ended sessions in a thread of its own while there are any. Knows nothing of what is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.ui.volumes import session_alive

LOOK_S = 5.0


class Sessions:
    """The sessions that hold something. Safe to use from several threads.

    Args:
        let_go: called once with the owner's name after its session has ended.
        alive: session id -> whether that session still exists.
    """

    def __init__(
        self, let_go: Callable[[str], None], alive: Callable[[str], bool] = session_alive, look_s: float = LOOK_S
    ) -> None:
        self._let_go, self._alive, self._look_s = let_go, alive, look_s
        self._owners: dict[str, str] = {}
        self._lock = threading.Lock()
        self._looking = False

    def arrive(self, session_id: str, owner: str) -> None:
        """From now on `owner` may hold something, until the session ends."""
        with self._lock:
            self._owners[session_id] = owner
            if self._looking:
                return
            self._looking = True
        threading.Thread(target=self._look, name="sessions", daemon=True).start()

    def __len__(self) -> int:
        """How many are known; one that has just ended may still count."""
        with self._lock:
            return len(self._owners)

    def sweep(self) -> bool:
        """Let go for sessions that have ended. Returns whether any is left."""
        with self._lock:
            known = dict(self._owners)
        gone = {session: owner for session, owner in known.items() if not self._alive(session)}
        for session, owner in gone.items():
            self._let_go(owner)
            with self._lock:
                self._owners.pop(session, None)
        with self._lock:
            self._looking = bool(self._owners)
            return self._looking

    def _look(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._look_s):
            if not self.sweep():
                return
