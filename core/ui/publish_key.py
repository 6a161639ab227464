"""Key: who may use the Publish page: the place of the browser, the passphrase, and how guessing is slowed down.

Compares in constant time and counts wrong tries over all sessions. Keeps, logs and shows no passphrase.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from typing import Literal

from core.settings import Settings

Access = Literal["hidden", "elsewhere", "ask", "open"]
FREE_TRIES = 3  # wrong ones that cost no wait: people mistype
LONGEST_S = 10.0  # the owner is kept waiting as well, so it stays short
FORGIVEN_S = 600.0  # without a wrong try


def access(settings: Settings, here: bool, signed_in: bool) -> Access:
    """What a session may see of the page.

    Args:
        here: the browser runs on this machine.
        signed_in: this session has given the key.
    """
    if settings.publish_key is not None:
        return "open" if signed_in else "ask"
    if settings.space_id:
        return "hidden"
    return "open" if here else "elsewhere"


class Lock:
    """One for the app: takes passphrases. Safe to use from several threads.

    Args:
        ticks: seconds of a clock that is never set.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._guard = threading.Lock()
        self._wrong, self._last = 0, 0.0

    def wait_s(self) -> float:
        """Seconds until the next try is looked at."""
        with self._guard:
            return self._wait()

    def try_key(self, said: str, key: str) -> bool:
        """Whether it is the key; False as well, without a look, while one must wait."""
        with self._guard:
            if self._wait() > 0:
                return False
            if hmac.compare_digest(_summed(said), _summed(key)):
                return True
            self._wrong, self._last = self._wrong + 1, self._ticks()
            return False

    def _wait(self) -> float:
        since = self._ticks() - self._last
        if self._wrong and since > FORGIVEN_S:
            self._wrong = 0
        over = self._wrong - FREE_TRIES
        return max(0.0, min(LONGEST_S, float(2 ** min(over, 10))) - since) if over >= 0 else 0.0


def _summed(text: str) -> bytes:
    """Of one length, so that the time of a comparison tells nothing of it."""
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).digest()
