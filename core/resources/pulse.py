"""The pulse: whether the app answers, asked over HTTP by a thread of the supervisor.

A process can live and be of no use: a call that never gives the interpreter back, a lock that nobody opens. What it
finds goes into the flight record when it changes. Decides purely (`after`, `is_hung`); ends no process (supervisor.py).
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psutil

PATH = "/_stcore/health"
LOCAL = "127.0.0.1"
_ANY = {"0.0.0.0": LOCAL, "::": "::1"}
Ask = Callable[[], bool]


@dataclass(frozen=True)
class Patience:
    """How long an app may be silent, in seconds.

    Attributes:
        ask_s: between two questions; first_s: before the first answer. wait_s: for one answer.
        silent_s: then it is said to be silent.
        hang_s: then it hangs, if it has answered before.
        start_s: then a start hangs that never answered; a Space allows 30 minutes.
    """

    ask_s: float = 5.0
    first_s: float = 1.0
    wait_s: float = 5.0
    silent_s: float = 15.0
    hang_s: float = 300.0
    start_s: float = 25 * 60.0

    @property
    def longest_s(self) -> float:
        """What one question counts at most: who was stopped together with the app blames it for nothing."""
        return 2 * (self.ask_s + self.wait_s)


@dataclass(frozen=True)
class Sight:
    """What is known of one life of the app.

    Attributes:
        answered: it has answered at least once.
        silent_s: time without an answer, as far as it was asked.
        told: its silence is in the record.
    """

    answered: bool = False
    silent_s: float = 0.0
    told: bool = False


def after(sight: Sight, answered: bool, passed_s: float, patience: Patience) -> tuple[Sight, str]:
    """The sight after one question, and the transition that it is: "app answers", "app silent" or "".

    Args:
        passed_s: since the question before.
    """
    if answered:
        news = "app answers" if sight.told or not sight.answered else ""
        return Sight(answered=True), news
    silent = sight.silent_s + min(passed_s, patience.longest_s)
    late = sight.answered and not sight.told and silent >= patience.silent_s
    return replace(sight, silent_s=silent, told=sight.told or late), "app silent" if late else ""


def is_hung(sight: Sight, patience: Patience) -> bool:
    """Whether there is no hope left that it answers."""
    return sight.silent_s >= (patience.hang_s if sight.answered else patience.start_s)


class Pulse:
    """Asks one app after the other; `began` and `ended` say when there is one.

    Args:
        note: told of transitions: (event, **facts).
        ask: the question; by default the app's health address on this computer.
    """

    def __init__(
        self,
        port: int,
        note: Callable[..., object],
        patience: Patience | None = None,
        *,
        ask: Ask | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience or Patience()
        self._port, self._note, self._ticks = port, note, ticks
        self._ask = ask or self._ask_app
        self._host = LOCAL
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._sight, self._began, self._asked = Sight(), 0.0, 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; the question under way is not waited for."""
        self._stopping.set()

    def began(self, pid: int) -> None:
        """An app has started."""
        with self._lock:
            self._pid, self._sight = pid, Sight()
            self._began = self._asked = self._ticks()

    def ended(self) -> None:
        """It is gone, or about to be."""
        with self._lock:
            self._pid = None

    @property
    def sight(self) -> Sight:
        """What is known of the present life."""
        return self._sight

    def hung(self) -> bool:
        """Whether the app that runs hangs."""
        with self._lock:
            return self._pid is not None and is_hung(self._sight, self.patience)

    def look(self) -> None:
        """Ask once."""
        with self._lock:
            life = self._pid
        if life is None:
            return
        answered = self._ask()
        with self._lock:
            if life != self._pid:
                return
            now, silent_before = self._ticks(), self._sight.silent_s
            self._sight, news = after(self._sight, answered, now - self._asked, self.patience)
            self._asked = now
            seconds = silent_before if answered else self._sight.silent_s
            facts = {"silent_s": round(seconds, 1), "since_start_s": round(now - self._began, 1)}
        if news:
            self._note(news, phase="", **facts)

    def _run(self) -> None:
        while not self._stopping.wait(self.patience.ask_s if self._sight.answered else self.patience.first_s):
            self.look()

    def _ask_app(self) -> bool:
        try:
            return answers(self._host, self._port, self.patience.wait_s)
        except ConnectionRefusedError:
            self._host = listener(self._pid, self._port) or LOCAL
            return False


def answers(host: str, port: int, wait_s: float) -> bool:
    """Whether somebody there says anything of use within the time.

    Any answer but a server's failure counts, whatever the prefix of its addresses; so does hanging up, which an app
    that wants TLS does: one that hangs cannot.

    Raises:
        ConnectionRefusedError: nobody listens there.
    """
    connection = http.client.HTTPConnection(host, port, timeout=wait_s)
    try:
        connection.request("GET", PATH, headers={"Connection": "close"})
        return connection.getresponse().status < 500
    except ConnectionRefusedError:
        raise
    except (http.client.BadStatusLine, ConnectionError):
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listener(pid: int | None, port: int) -> str | None:
    """The address at which a process listens on the port; None when it does not, or nobody may know."""
    try:
        sockets = psutil.Process(pid).net_connections(kind="tcp") if pid is not None else []
    except (psutil.Error, OSError):
        return None
    hosts = [one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN and one.laddr.port == port]
    return _ANY.get(hosts[0], hosts[0]) if hosts else None
