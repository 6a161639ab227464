"""Pushing: the Hub's side that is written to: may we, a repository, large files, commits; huggingface_hub beneath.

huggingface_hub forms the requests. Deadlines, failures, pace and stopping are ours: every call runs in a thread that is
left when nobody waits for it, files are streamed through small buffers, nothing is repeated here, and every failure
becomes one of our errors. That a call returned proves nothing (core.publish.proof). One pusher at a time in a process.
"""

from __future__ import annotations

import logging
import queue
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi, close_session, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils.tqdm import disable_progress_bars

from core.errors import (
    BadSettings,
    HubDenied,
    HubServerError,
    PublishCancelled,
    PublishError,
    ShardDamaged,
    StrokescopeError,
)
from core.hub.client import USER_AGENT, check_repo
from core.hub.failing import AGAIN, broken, late, refused
from core.hub.outgoing import Outgoing, Pace, Reader, Sent, Watch, sum_of, tell_nobody
from core.hub.policy import POLL_S, Cancelled
from core.hub.rights import is_stranger, refusal_of

T = TypeVar("T")
_NETWORK = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError)
_KNOWN = (StrokescopeError, *_NETWORK, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError)
_REPEATED = frozenset({408, 425, 429, 500, 502, 503, 504})  # huggingface_hub would ask again after these by itself
_MAKE = "make a token with write access at huggingface.co/settings/tokens"
_STRANGER = "give a repository of your own with --repo, or set HF_TOKEN to a token of somebody who belongs there"
_DEEP = 8  # exceptions that were raised from each other


@dataclass(frozen=True)
class Limits:
    """Seconds.

    Attributes:
        connect_s: until a connection stands.
        answer_s: until an answer begins, or goes on, after a request was sent; the Hub's own gateway gives up at 60.
        stall_s: without any sign of life, after which a call is given up whatever its server does.
        threads: files on their way at the same time.
    """

    connect_s: float = 10.0
    answer_s: float = 90.0
    stall_s: float = 180.0
    threads: int = 2


@dataclass(frozen=True)
class Ready:
    """A file whose bytes were handed to the Hub, and that no commit names yet."""

    file: Outgoing
    addition: CommitOperationAdd


@dataclass(frozen=True)
class _Failed:
    error: StrokescopeError


class Pusher:
    """One endpoint, written to with one token. Used by one thread.

    Args:
        token: of somebody who may write; sent to the endpoint only, never logged.
        rate: bytes a second at most, of all files together; None for no limit.
        xet: leave the transfer to hf_xet, if it is installed: quicker where much is there already; it holds what it
            sends in memory of its own (see its HF_XET_* variables), and neither `rate` nor progress reaches it.
    """

    def __init__(
        self,
        endpoint: str,
        token: str | None,
        *,
        offline: bool = False,
        rate: float | None = None,
        limits: Limits = Limits(),
        xet: bool = False,
    ) -> None:
        self._limits, self._offline, self._xet = limits, offline, xet
        self._pace = Pace(rate)
        self._token = (token or "").strip()
        if not (self._token.isascii() and self._token.isprintable() and " " not in self._token):
            raise BadSettings("HF_TOKEN holds characters that no token has", hint="copy the token again")
        self._endpoint = endpoint.rstrip("/")
        self._api = HfApi(endpoint=self._endpoint, token=self._token or False, user_agent=USER_AGENT)
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it would warn of every file that is streamed
        set_client_factory(partial(_Client, limits, self._endpoint))

    def close(self) -> None:
        """Close the connections."""
        close_session()

    def check_may_write(self, repo: str, cancelled: Cancelled) -> str:
        """Who we are, if the token allows to write to this dataset as far as the Hub says.

        Raises:
            HubDenied: it does not. HubError: each kind.
        """
        if not self._token:
            raise HubDenied("publishing needs a token that may write", hint="set HF_TOKEN")
        who = self._call(lambda watch: self._api.whoami(), cancelled)
        why = refusal_of(who, check_repo(repo))
        if why is not None:
            raise HubDenied(why, hint=_STRANGER if is_stranger(who, repo) else _MAKE)
        return str(who.get("name", ""))

    def create(self, repo: str, private: bool, cancelled: Cancelled) -> None:
        """Make the dataset, unless it is there. Raises HubError."""

        how: dict[str, Any] = {"repo_type": "dataset", "private": private, "exist_ok": True}
        self._call(lambda watch: self._api.create_repo(check_repo(repo), **how), cancelled)

    def prepare(
        self,
        repo: str,
        revision: str,
        files: Sequence[Outgoing],
        cancelled: Cancelled,
        sent: Sent = tell_nobody,
    ) -> tuple[Ready, ...]:
        """Hand the bytes of large files to the Hub, for a commit to come. What it has already is not sent.

        Args:
            sent: told how many bytes of a file were handed on; called by other threads.

        Raises:
            ShardDamaged: a file has not the sum that it should have; none of them was sent.
            HubError: each kind. PublishCancelled. PublishError: a file cannot be read, or the repository would not
                keep it as a large file.
        """

        def work(watch: Watch) -> tuple[Ready, ...]:
            readers: list[Reader] = []
            try:
                ready = tuple(Ready(file, self._addition(file, watch, sent, readers)) for file in files)
                self._api.preupload_lfs_files(
                    repo,
                    [one.addition for one in ready],
                    repo_type="dataset",
                    revision=revision,
                    num_threads=self._limits.threads,
                    free_memory=True,
                )
                for one in ready:
                    _check_kept(one)
                return ready
            finally:
                for reader in readers:
                    reader.close()

        return self._call(work, cancelled)

    def commit(
        self, repo: str, revision: str, ready: Sequence[Ready], message: str, parent: str, cancelled: Cancelled
    ) -> None:
        """One commit that names these files, if the branch still stands at `parent`. Raises HubError."""
        self._commit(repo, revision, [one.addition for one in ready], message, parent, cancelled)

    def commit_text(
        self, repo: str, revision: str, path: str, text: str, message: str, parent: str, cancelled: Cancelled
    ) -> None:
        """One commit of a small file. Raises HubError."""
        self._commit(repo, revision, [CommitOperationAdd(path, text.encode())], message, parent, cancelled)

    def _commit(
        self, repo: str, revision: str, additions: list[CommitOperationAdd], message: str, parent: str, stop: Cancelled
    ) -> None:
        how: dict[str, Any] = {"repo_type": "dataset", "revision": revision, "parent_commit": parent}
        self._call(lambda watch: self._api.create_commit(repo, additions, commit_message=message, **how), stop)

    def _addition(self, file: Outgoing, watch: Watch, sent: Sent, readers: list[Reader]) -> CommitOperationAdd:
        """The file as huggingface_hub takes it, its sum compared."""
        if self._xet:
            addition = CommitOperationAdd(file.name, file.path)
            addition.upload_info.sha256 = sum_of(file.path, watch)
        else:
            reader = Reader(file, watch, self._pace, sent)
            readers.append(reader)
            addition = CommitOperationAdd(file.name, cast(BinaryIO, reader))
            reader.begin()
        if (addition.upload_info.size, addition.upload_info.sha256.hex()) != (file.bytes, file.sha256):
            raise ShardDamaged(f"{file.name} is not what was built", hint="build again: only this one is made anew")
        return addition

    def _call(self, work: Callable[[Watch], T], cancelled: Cancelled) -> T:
        """What `work` returns, from a thread that is left when the user stops or nothing moves any more."""
        if self._offline:
            raise BadSettings("HF_HUB_OFFLINE is set", hint="unset it to publish")  # no failure that could pass
        watch = Watch()
        outcome: queue.Queue[T | _Failed] = queue.Queue(1)
        thread = threading.Thread(target=_answer, args=(work, watch, outcome, self._endpoint), daemon=True)
        thread.start()
        try:
            return _wait(thread, watch, outcome, self._limits.stall_s, cancelled)
        finally:
            watch.stop()


def _check_kept(ready: Ready) -> None:
    """Raise PublishError if the repository's own rules left the file out, which no commit would ever tell."""
    if ready.addition._is_uploaded:
        return
    if ready.addition._should_ignore:
        raise PublishError(
            f"the repository leaves out {ready.file.name}", hint="take it out of the repository's .gitignore"
        )
    raise PublishError(
        f"the repository would keep {ready.file.name} as text",
        hint="put the line '*.parquet filter=lfs diff=lfs merge=lfs -text' into the repository's .gitattributes",
    )


def _wait(
    thread: threading.Thread, watch: Watch, outcome: queue.Queue[T | _Failed], stall_s: float, cancelled: Cancelled
) -> T:
    while True:
        alive = thread.is_alive()
        if cancelled():
            raise PublishCancelled("stopped", hint=AGAIN)
        if watch.quiet_s() > stall_s or (not alive and outcome.empty()):
            raise late()
        try:
            found = outcome.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if isinstance(found, _Failed):
            raise found.error
        return found


def _answer(work: Callable[[Watch], T], watch: Watch, outcome: queue.Queue[T | _Failed], endpoint: str) -> None:
    """Run the work and hand on how it ended."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome.put(work(watch))
    except _KNOWN as error:
        outcome.put(_Failed(translate(error, endpoint)))


def translate(error: BaseException, endpoint: str) -> StrokescopeError:
    """One of our errors for what huggingface_hub raised while it asked this endpoint."""
    at: BaseException | None = error
    for _ in range(_DEEP):
        if isinstance(at, StrokescopeError):
            return at
        if isinstance(at, HfHubHTTPError):
            return refused(at.response, endpoint)
        if isinstance(at, httpx2.TransportError):
            return broken(at)
        if isinstance(at, OSError):
            return PublishError(f"a shard cannot be read ({at.strerror})", hint="check the staging folder's disk")
        at = at and (at.__cause__ or at.__context__)
    return HubServerError("the Hub's answer cannot be understood", hint="check HF_ENDPOINT, or try again later")


class _Client(httpx2.Client):
    """huggingface_hub's connections, with deadlines, and with our errors where it would ask again by itself."""

    def __init__(self, limits: Limits, endpoint: str) -> None:
        self._endpoint = endpoint
        wait = httpx2.Timeout(limits.answer_s, connect=limits.connect_s)
        super().__init__(timeout=wait, follow_redirects=True)

    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        try:
            response = super().send(request, **how)
        except httpx2.TransportError as error:
            raise broken(error) from None
        if response.status_code in _REPEATED:
            raise refused(response, self._endpoint)
        return response
