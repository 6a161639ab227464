"""Client: the Hub's API as this app uses it, and the only importer of huggingface_hub.

Gives the commit of a revision, the file tree of a commit, and opened responses for a file. The addresses and headers
are huggingface_hub's own; the transfers are ours (`wire`), because its download neither checks bytes nor keeps a
deadline a person would wait. Every failure becomes a HubError with its next step. Does not write files.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import quote, urljoin

from huggingface_hub import hf_hub_url
from huggingface_hub.utils import build_hf_headers, parse_ratelimit_headers  # type: ignore[attr-defined]

from core.errors import (
    BadSource,
    HubCorrupt,
    HubDenied,
    HubError,
    HubNotFound,
    HubOffline,
    HubRateLimited,
    HubServerError,
    HubTimeout,
)
from core.hub.policy import Cancelled, Patience, Policies, Policy
from core.hub.wire import Answer, Traffic, Wire

MAX_ENTRIES = 200_000  # files of one tree
_MAX_PAGE = 32 * 2**20  # bytes of one page of it
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_DEFAULT_WAIT_S = 60.0  # when a 429 does not say how long
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*rel="?next"?')
T = TypeVar("T")


@dataclass(frozen=True)
class RemoteFile:
    """One file at one commit.

    Attributes:
        repo: owner/name of a dataset.
        commit: 40 hex.
        path: relative, without "..".
        size: bytes, or None while unknown.
        sha256: of the content, for files in large storage.
        git_oid: sha1 of "blob <size>\\0" + content, for files in git itself.
    """

    repo: str
    commit: str
    path: str
    size: int | None = None
    sha256: str | None = None
    git_oid: str | None = None


def check_repo(repo: str) -> str:
    """The name itself, if it is owner/name of a dataset.

    Raises:
        BadSource: it is not.
    """
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise BadSource("that is not a dataset's name", hint="write it like hub:owner/name")
    return repo


def check_revision(revision: str) -> str:
    """The revision itself, if it may be a branch, tag or commit.

    Raises:
        BadSource: it is not.
    """
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise BadSource("that is not a revision", hint="use a branch, a tag or the 40 digits of a commit")
    return revision


def is_commit(revision: str) -> bool:
    """Whether the revision is a whole commit hash, which never changes its meaning."""
    return _COMMIT.fullmatch(revision) is not None


class Hub:
    """One endpoint with one identity. Safe to use from several threads.

    Args:
        endpoint: e.g. https://huggingface.co.
        token: of a user who may read gated datasets; never logged, never sent to another origin.
        offline: answer HubOffline at once, without a request.
        policies: deadlines and attempts.
    """

    def __init__(
        self, endpoint: str, token: str | None = None, offline: bool = False, policies: Policies | None = None
    ) -> None:
        self.policies = policies or Policies()
        self._endpoint = endpoint.rstrip("/")
        self._offline = offline
        self._has_token = bool(token)
        headers = build_hf_headers(token=False, library_name="strokescope")
        self._wire = Wire(self._endpoint, {**headers, "Accept-Encoding": "identity"}, token)

    def close(self) -> None:
        """Close the idle connections."""
        self._wire.close()

    @contextmanager
    def open(
        self, url: str, headers: Mapping[str, str], patience: Patience, traffic: Traffic, cancelled: Cancelled
    ) -> Iterator[Answer]:
        """One GET, once. A status of 400 or more is an error, but for 416: whoever asks for a range must look at it.

        Raises:
            HubError: each kind; FetchCancelled: the user stopped.
        """
        if self._offline:
            raise HubOffline("HF_HUB_OFFLINE is set", hint="unset it to fetch, or use what is cached or the samples")
        with self._wire.get(url, headers, patience, traffic, cancelled) as answer:
            if answer.status >= 400 and answer.status != 416:
                raise error_of(answer.status, answer.headers, self._has_token)
            yield answer

    def file_url(self, file: RemoteFile) -> str:
        """Where the file's bytes are asked for."""
        return hf_hub_url(file.repo, file.path, repo_type="dataset", revision=file.commit, endpoint=self._endpoint)

    def commit_of(self, repo: str, revision: str, traffic: Traffic, cancelled: Cancelled) -> str:
        """The commit that a branch or tag names now; asks the Hub even for a commit, which shows that it exists.

        Raises:
            HubError: each kind, within the control policy's time.
        """
        url = f"{self._api(repo)}/revision/{quote(revision, safe='')}?expand=sha"
        body, _ = self._json(url, self.policies.control, traffic, cancelled)
        commit = body.get("sha") if isinstance(body, dict) else None
        if not isinstance(commit, str) or not is_commit(commit):
            raise HubCorrupt("the Hub's answer names no commit", hint="check HF_ENDPOINT, or try again later")
        return commit

    def tree(self, repo: str, commit: str, traffic: Traffic, cancelled: Cancelled) -> tuple[RemoteFile, ...]:
        """All files of a commit, in the Hub's order; those with paths that point elsewhere are left out.

        Raises:
            HubError: each kind; HubCorrupt also for a tree of more than MAX_ENTRIES.
        """
        url: str | None = f"{self._api(repo)}/tree/{commit}?recursive=true"
        files: list[RemoteFile] = []
        seen = 0
        visited: set[str] = set()
        while url is not None:
            visited.add(url)
            page, after = self._json(url, self.policies.listing, traffic, cancelled)
            if not isinstance(page, list):
                raise HubCorrupt("the Hub's list of files is not a list", hint="check HF_ENDPOINT, or try again later")
            seen += len(page)
            if seen > MAX_ENTRIES or after in visited:
                raise HubCorrupt(f"{repo} lists too many files", hint="choose a dataset with fewer files")
            files.extend(file for entry in page if (file := file_of(repo, commit, entry)) is not None)
            url = after
        return tuple(files)

    def _api(self, repo: str) -> str:
        return f"{self._endpoint}/api/datasets/{check_repo(repo)}"

    def _json(self, url: str, policy: Policy, traffic: Traffic, cancelled: Cancelled) -> tuple[object, str | None]:
        """A small JSON body, and the address of the next page."""
        patience = Patience(policy)

        def once() -> tuple[object, str | None]:
            body = bytearray()
            with self.open(url, {}, patience, traffic, cancelled) as answer:
                for chunk in answer.chunks:
                    body += chunk
                    if len(body) > _MAX_PAGE:
                        raise HubCorrupt("the Hub's answer is far too long", hint="check HF_ENDPOINT")
                link = _NEXT.search(answer.headers.get("link", ""))
            try:
                return json.loads(body), self._on_endpoint(urljoin(url, link[1])) if link else None
            except (ValueError, RecursionError):
                raise HubCorrupt("the Hub's answer is not JSON", hint="check HF_ENDPOINT, or try again") from None

        return retrying(once, patience, cancelled)

    def _on_endpoint(self, url: str) -> str:
        if not url.startswith(self._endpoint + "/"):
            raise HubCorrupt("the Hub's list of files goes on elsewhere", hint="check HF_ENDPOINT")
        return url


def answer_time(hub: Hub, repo: str, revision: str) -> float:
    """Seconds the Hub takes to say what the revision names.

    Raises:
        HubError, within the control policy's time.
    """
    begun = time.monotonic()
    hub.commit_of(repo, revision, Traffic(), lambda: False)
    return time.monotonic() - begun


def retrying(once: Callable[[], T], patience: Patience, cancelled: Cancelled) -> T:
    """What `once` returns, asked again after failures that may pass, within the patience.

    Raises:
        HubError: the last failure; one that cannot pass (denied, not found, offline by choice) at once.
    """
    corrupt = 0
    while True:
        before = patience.tries
        try:
            return once()
        except (HubTimeout, HubServerError, HubRateLimited, HubOffline, HubCorrupt) as error:
            corrupt += isinstance(error, HubCorrupt)
            wait = error.retry_after_s if isinstance(error, HubRateLimited) else 0.0
            no_request = patience.tries == before
            if no_request or corrupt > 1 or wait >= patience.call_left() or not patience.may_try_again():
                raise
            patience.pause(wait, cancelled)
            if patience.call_left() <= 0:
                raise


def error_of(status: int, headers: Mapping[str, str], has_token: bool) -> HubError:
    """The error for a response of status 400 or more."""
    code = headers.get("x-error-code", "")
    if status == 429:
        wait = retry_after(headers)
        again = f"try again in {wait:.0f} s" + ("" if has_token else ", or set HF_TOKEN for a higher limit")
        return HubRateLimited("the Hub allows no more requests just now", hint=again, retry_after_s=wait)
    if status in (401, 403) or code == "GatedRepo":
        known = code != "RepoNotFound"
        what = "the dataset is gated or private" if known else "the dataset does not exist or is private"
        step = "ask for access on its page, or use another HF_TOKEN" if has_token else "set HF_TOKEN"
        return HubDenied(what, hint=step if known else f"check its name, or {step}")
    if status in (404, 410):
        what = {"RepoNotFound": "dataset", "RevisionNotFound": "revision", "EntryNotFound": "file"}.get(code, "page")
        return HubNotFound(f"the Hub has no such {what}", hint="check the source's name and revision")
    if status in (408, 425) or status >= 500:
        return HubServerError(f"the Hub answered with an error of its own ({status})", hint="try again in a minute")
    return HubServerError(f"the Hub refused the request ({status})", hint="check HF_ENDPOINT, or try again later")


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a 429 asks us to wait, by RateLimit or Retry-After; at most an hour."""
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return min(float(limit.reset_in_seconds), 3600.0)
    text = headers.get("retry-after", "").strip()
    return min(float(text), 3600.0) if text.isdecimal() else _DEFAULT_WAIT_S


def file_of(repo: str, commit: str, entry: object) -> RemoteFile | None:
    """A tree's entry as a file; None for folders and for paths that are absolute, empty or hold "..".

    Raises:
        HubCorrupt: the entry lacks its path or size.
    """
    if isinstance(entry, dict) and entry.get("type") == "directory":
        return None
    path, size = (entry.get("path"), entry.get("size")) if isinstance(entry, dict) else (None, None)
    if not isinstance(path, str) or not isinstance(size, int) or size < 0:
        raise HubCorrupt("the Hub's list of files cannot be read", hint="check HF_ENDPOINT, or try again later")
    if not is_safe(path):
        return None
    lfs = entry.get("lfs") if isinstance(entry, dict) else None
    sha256 = lfs.get("oid") if isinstance(lfs, dict) else None
    if isinstance(sha256, str) and _SHA256.fullmatch(sha256):
        return RemoteFile(repo, commit, path, size, sha256=sha256)
    oid = entry.get("oid") if isinstance(entry, dict) else None
    return RemoteFile(repo, commit, path, size, git_oid=oid if isinstance(oid, str) and is_commit(oid) else None)


def is_safe(path: str) -> bool:
    """Whether the path stays inside its repository and can be written on one line."""
    parts: Sequence[str] = PurePosixPath(path).parts
    plain = path.isprintable() and len(path) < 1024 and "\\" not in path
    return bool(parts) and plain and not path.startswith("/") and not {"..", "."} & set(path.split("/"))
