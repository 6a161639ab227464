"""Wire: one GET on the network, as a stream that can be left at any moment.

Each request runs in a short-lived thread that only reads and queues; whoever asked waits on the queue with its own
clock, so a name server that hangs, a server that stalls and a user who cancels are all seen in time; a request that
was left gives its thread and its connection back at once, whatever its server does. Follows redirects itself: the token
goes to the endpoint's own origin and nowhere else. Does not retry and knows nothing of the Hub's API.
"""

from __future__ import annotations

import dataclasses
import functools
import queue
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin

import httpx2

from core.errors import BadSettings, HubError, HubOffline, HubServerError
from core.hub.policy import POLL_S, Cancelled, Patience, Policy, stop_if, timed_out
from core.hub.sockets import Readers, watch

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 5
_SMALL_BODY = 4096  # of a redirect, read so that its connection can be used again
_QUEUE = 16  # chunks of at most 64 KB that may wait for the consumer


@dataclass
class Traffic:
    """What crossed the network for one purpose. Shared by the threads that work for it."""

    requests: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, requests: int = 0, bytes: int = 0) -> None:
        """Count some more."""
        with self._lock:
            self.requests += requests
            self.bytes += bytes


@dataclass(frozen=True)
class Answer:
    """A response whose body is still coming.

    Attributes:
        headers: names in lower case.
        chunks: the body; can be read once.
        home: it is the endpoint's own, not of where that redirected to.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    home: bool = True


Hear = Callable[[str, Mapping[str, str]], None]  # the address asked, the answer's headers in lower case
_Item = Answer | bytes | HubError | None  # the head, the body's chunks, what went wrong, the end


class _Leaver(queue.Queue[_Item]):
    """A queue between two threads that the reader may leave."""

    def __init__(self) -> None:
        super().__init__(maxsize=_QUEUE)
        self.left = threading.Event()

    def offer(self, item: _Item) -> bool:
        """Put the item; False once the reader has left."""
        while not self.left.is_set():
            try:
                self.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False


class Wire:
    """Connections to one endpoint and to wherever it redirects.

    Args:
        endpoint: web address of the Hub, e.g. https://huggingface.co.
        headers: sent with every request, to every origin: no secrets here.
        token: sent to the endpoint's own origin only.
        hear: told of every answer of that origin, redirects included, by the threads that read.

    Raises:
        BadSettings: the endpoint is no http(s) address, or the token holds what no token does.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], token: str | None, hear: Hear) -> None:
        address = _address(endpoint)
        if address is None:
            raise BadSettings("the Hub's address is not a web address", hint="correct or unset HF_ENDPOINT")
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise BadSettings("HF_TOKEN holds characters that no token has", hint="copy the token again")
        self._origin = _origin(address)
        self._hear = hear
        self._secure = self._origin[0] == "https"
        self._token = token
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=24)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx2.Client(
            headers=dict(headers), cookies=no_cookies, limits=limits, follow_redirects=False, verify=_trusted()
        )
        self._readers = Readers()
        watch(self._client, self._readers)
        self._finalizer = weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the idle connections."""
        self._finalizer()

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str], patience: Patience, traffic: Traffic, cancelled: Cancelled
    ) -> Iterator[Answer]:
        """One GET with its redirects. Leaving the block leaves the transfer.

        Raises:
            HubOffline, HubTimeout, HubServerError: no connection, no byte in time, a broken connection.
            FetchCancelled: within POLL_S of the user's cancel.
        """
        patience.begin_attempt()
        stop_if(cancelled)
        if patience.call_left() <= 0:
            raise timed_out("this request")
        items = _Leaver()
        args = (url, dict(headers), patience.policy, traffic, items)
        threading.Thread(target=self._produce, args=args, name="hub-get", daemon=True).start()
        try:
            head = _next(items, patience, cancelled)
            if not isinstance(head, Answer):
                raise HubServerError("the Hub closed the connection without an answer", hint="try again")
            patience.head_came()
            yield dataclasses.replace(head, chunks=_chunks(items, patience, cancelled))
        finally:
            items.left.set()

    def _produce(self, url: str, headers: dict[str, str], policy: Policy, traffic: Traffic, items: _Leaver) -> None:
        try:
            left = items.left.is_set
            with (
                self._readers.reading(left),
                self._follow(url, headers, policy, traffic, left) as (response, home),
            ):
                items.offer(Answer(response.status_code, _lower(response.headers), iter(()), home))
                for chunk in response.iter_raw():
                    traffic.add(bytes=len(chunk))
                    if not items.offer(chunk):
                        return
            items.offer(None)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, RuntimeError, ValueError) as error:
            items.offer(_translate(error))
        except HubError as error:
            items.offer(error)

    @contextmanager
    def _follow(
        self, url: str, headers: dict[str, str], policy: Policy, traffic: Traffic, left: Callable[[], bool]
    ) -> Iterator[tuple[httpx2.Response, bool]]:
        timeout = httpx2.Timeout(policy.stall_s, connect=policy.connect_s)
        for _ in range(_MAX_HOPS):
            address = self._checked(url)
            home = _origin(address) == self._origin
            mine = {"Authorization": f"Bearer {self._token}"} if self._token and home else {}
            request = self._client.build_request("GET", address, headers={**headers, **mine}, timeout=timeout)
            traffic.add(requests=1)
            response = self._client.send(request, stream=True)
            try:
                if home:
                    self._hear(str(address), _lower(response.headers))
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or not location:
                    yield response, home
                    return
                if int(response.headers.get("content-length") or _SMALL_BODY + 1) <= _SMALL_BODY:
                    for _chunk in response.iter_raw():
                        if left():
                            raise HubServerError("nobody waits for this answer any more", hint="try again")
                url = urljoin(str(address), location)
            finally:
                response.close()
        raise HubServerError("the Hub redirects in a circle", hint="try again later")

    def _checked(self, url: str) -> httpx2.URL:
        address = _address(url)
        if address is None:
            raise HubServerError("the Hub redirects to something that is no web address", hint="check HF_ENDPOINT")
        if self._secure and address.scheme != "https":
            raise HubServerError("the Hub redirects to an address that is not encrypted", hint="check HF_ENDPOINT")
        return address


def _next(items: _Leaver, patience: Patience, cancelled: Cancelled) -> Answer | bytes | None:
    while True:
        stop_if(cancelled)
        left = patience.attempt_left()
        try:
            item = items.get(timeout=min(left, POLL_S)) if left > 0 else items.get_nowait()
        except queue.Empty:
            if left <= 0:
                raise timed_out("this request") from None
            patience.say_if_quiet()
            continue
        if isinstance(item, Exception):
            raise item
        return item


def _chunks(items: _Leaver, patience: Patience, cancelled: Cancelled) -> Iterator[bytes]:
    while (item := _next(items, patience, cancelled)) is not None:
        if isinstance(item, bytes) and item:
            patience.fed(len(item))
            handed = time.monotonic()
            yield item
            patience.excuse(time.monotonic() - handed)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts; read once, which takes 50 ms."""
    return httpx2.create_ssl_context()


def _lower(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _address(url: str) -> httpx2.URL | None:
    """The web address, or None where it is none."""
    try:
        address = httpx2.URL(url)
        return address if address.scheme in ("http", "https") and address.host else None
    except (httpx2.InvalidURL, ValueError):
        return None


def _origin(address: httpx2.URL) -> tuple[str, str, int]:
    return address.scheme, address.host, address.port or {"http": 80, "https": 443}[address.scheme]


def _translate(error: Exception) -> HubError:
    if isinstance(error, httpx2.TimeoutException):
        return timed_out("this request")
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return HubServerError("the Hub cannot prove who it is", hint="check HF_ENDPOINT and the network's proxy")
        return HubOffline("the Hub cannot be reached", hint="check the network; what is cached works meanwhile")
    return HubServerError("the connection to the Hub broke", hint="try again")
