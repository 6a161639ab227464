"""Client: the Hub's API as this app uses it, and the only importer of huggingface_hub.

Gives the commit of a revision, the file tree of a commit, and opened responses for a file. The addresses
are huggingface_hub's own; the transfers are ours (`wire`), because its download neither checks bytes nor keeps a
deadline a person would wait. Every failure becomes a HubError with its next step. Does not write files.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urljoin

from huggingface_hub import __version__ as hub_version
from huggingface_hub import hf_hub_url

from core.errors import BadSource, HubCorrupt, HubOffline
from core.hub.policy import Cancelled, Patience, Policies, Policy, timed_out
from core.hub.quota import Bucket, Quota, retry_after
from core.hub.refusal import error_of, limited
from core.hub.retrying import retrying
from core.hub.wire import Answer, Traffic, Wire

MAX_ENTRIES = 200_000  # files of one tree
MAX_PAGES = 300  # of it; the Hub puts 1000 entries on one
_MAX_PAGE = 8 * 2**20  # bytes of one; the Hub's have some 300 KB
_MAX_FILE = 2**50  # bytes of one file
_MAX_LINK = 4096  # characters of a Link header
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
# Our own: the client's build_hf_headers asks the endpoint a question first, without a deadline.
USER_AGENT = f"strokescope; hf_hub/{hub_version}"
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*rel="?next"?')


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
        token = token.strip() if token else None
        self._has_token = bool(token)
        self._quota = Quota()
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        self._wire = Wire(self._endpoint, headers, token, lambda url, said: self._quota.hear(self._bucket(url), said))

    def close(self) -> None:
        """Close the idle connections."""
        self._wire.close()

    def spare(self) -> bool:
        """Whether background work is welcome now: not offline, nothing refused, more than a fifth of the quota left."""
        return not self._offline and self._quota.is_ample()

    @contextmanager
    def open(
        self, url: str, headers: Mapping[str, str], patience: Patience, traffic: Traffic, cancelled: Cancelled
    ) -> Iterator[Answer]:
        """One GET, once. A status of 400 or more is an error, but for 416: whoever asks for a range must look at it.

        Raises:
            HubError: each kind; HubOffline and HubRateLimited also without a request, by choice or while the Hub's last
                refusal is in force.
            FetchCancelled: the user stopped.
        """
        if self._offline:
            works = "cached cases, local: folders and the sample cohort work; unset it to fetch more"
            raise HubOffline("HF_HUB_OFFLINE is set", hint=works)
        bucket = self._bucket(url)
        if (wait := self._quota.wait_s(bucket)) > 0:
            raise limited(wait, self._has_token)
        with self._wire.get(url, headers, patience, traffic, cancelled) as answer:
            if answer.status >= 400 and answer.status != 416:
                if answer.status == 429:
                    self._quota.refuse(bucket, retry_after(answer.headers))
                raise error_of(answer.status, answer.headers, self._has_token, answer.home)
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
            HubError: each kind; HubCorrupt also for a tree of more than MAX_ENTRIES or MAX_PAGES; HubTimeout also when
                all its pages take longer than the listing policy's total.
        """
        url: str | None = f"{self._api(repo)}/tree/{commit}?recursive=true"
        files: list[RemoteFile] = []
        seen = 0
        visited: set[str] = set()
        end = time.monotonic() + self.policies.listing.total_s
        while url is not None:
            visited.add(url)
            page, after = self._json(url, self.policies.control, traffic, cancelled)
            if not isinstance(page, list):
                raise HubCorrupt("the Hub's list of files is not a list", hint="check HF_ENDPOINT, or try again later")
            seen += len(page)
            if seen > MAX_ENTRIES or len(visited) > MAX_PAGES or after in visited:
                raise HubCorrupt(f"{repo} lists too many files", hint="choose a dataset with fewer files")
            if after is not None and time.monotonic() > end:
                raise timed_out("the whole list of files")
            files.extend(file for entry in page if (file := file_of(repo, commit, entry)) is not None)
            url = after
        return tuple(files)

    def space_error(self, space_id: str, cancelled: Cancelled = lambda: False) -> str | None:
        """What the Hub says went wrong with a Space's container; None when nothing did.

        Raises:
            BadSource: that is no name of a Space.
            HubError: each kind, within the control policy's time.
        """
        url = f"{self._endpoint}/api/spaces/{check_repo(space_id)}/runtime"
        body, _ = self._json(url, self.policies.control, Traffic(), cancelled)
        message = body.get("errorMessage") if isinstance(body, dict) else None
        return message if isinstance(message, str) else None

    def _bucket(self, url: str) -> Bucket:
        return "api" if url.startswith(f"{self._endpoint}/api/") else "resolvers"

    def _api(self, repo: str) -> str:
        return f"{self._endpoint}/api/datasets/{check_repo(repo)}"

    def told(self, path: str, most: int, cancelled: Cancelled) -> object:
        """What the Hub's API says under a path, like /api/whoami-v2: a small JSON body. Asked once.

        Args:
            most: bytes that it may have.

        Raises:
            HubError: each kind, within the control policy's time. FetchCancelled.
        """
        patience = Patience(self.policies.control)
        body, _ = self._page(f"{self._endpoint}{path}", patience, Traffic(), cancelled, most)
        return body

    def _json(self, url: str, policy: Policy, traffic: Traffic, cancelled: Cancelled) -> tuple[object, str | None]:
        """A small JSON body, and the address of the next page."""
        patience = Patience(policy)
        return retrying(lambda: self._page(url, patience, traffic, cancelled, _MAX_PAGE), patience, cancelled)

    def _page(
        self, url: str, patience: Patience, traffic: Traffic, cancelled: Cancelled, most: int
    ) -> tuple[object, str | None]:
        """The same, asked once."""
        body = bytearray()
        with self.open(url, {}, patience, traffic, cancelled) as answer:
            for chunk in answer.chunks:
                body += chunk
                if len(body) > most:
                    raise HubCorrupt("the Hub's answer is far too long", hint="check HF_ENDPOINT")
            link = _NEXT.search(answer.headers.get("link", "")[:_MAX_LINK])
        try:
            return json.loads(body), self._on_endpoint(urljoin(url, link[1])) if link else None
        except (ValueError, RecursionError):
            raise HubCorrupt("the Hub's answer is not JSON", hint="check HF_ENDPOINT, or try again") from None

    def _on_endpoint(self, url: str) -> str:
        if not url.startswith(self._endpoint + "/"):
            raise HubCorrupt("the Hub's list of files goes on elsewhere", hint="check HF_ENDPOINT")
        return url


def file_of(repo: str, commit: str, entry: object) -> RemoteFile | None:
    """A tree's entry as a file; None for folders and for paths that are absolute, empty or hold "..".

    Raises:
        HubCorrupt: the entry lacks its path or size.
    """
    if isinstance(entry, dict) and entry.get("type") == "directory":
        return None
    path, size = (entry.get("path"), entry.get("size")) if isinstance(entry, dict) else (None, None)
    if not isinstance(path, str) or type(size) is not int or not 0 <= size < _MAX_FILE:
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
    plain = 0 < len(path) < 1024 and path.isprintable() and "\\" not in path
    return plain and not path.startswith("/") and {"..", "."}.isdisjoint(path.split("/"))
