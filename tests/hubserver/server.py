"""Server: answers what huggingface_hub 2.4 and our own reader ask of a Hub, and counts it.

Dataset info, tree with paging, paths-info, and resolve (HEAD, GET, Range; optionally by way of a second origin). Knows
datasets that are put into it, and those that are uploaded (writes). Misbehaves on demand (faults).
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.hubserver.answers import Answer
from tests.hubserver.faults import Faults
from tests.hubserver.origin import Origin
from tests.hubserver.seen import Seen as Seen
from tests.hubserver.writes import Writes


@dataclass(frozen=True)
class Stored:
    """One file of a dataset; large ones stay on disk.

    Attributes:
        oid, told: sha256 and size that a commit gave it; its content may be another one.
    """

    content: bytes | Path
    lfs: bool
    oid: str | None = None
    told: int | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def read(self, start: int, stop: int) -> bytes:
        """Bytes start..stop (exclusive)."""
        if isinstance(self.content, bytes):
            return self.content[start:stop]
        with self.content.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def digest(self, git: bool) -> str:
        """sha256 of the content, or git's blob id."""
        hasher = hashlib.sha1(f"blob {self.size}\0".encode()) if git else hashlib.sha256()
        for at in range(0, self.size, 2**20):
            hasher.update(self.read(at, at + 2**20))
        return hasher.hexdigest()


@dataclass
class Dataset:
    """One repository at one commit, which `main` names."""

    commit: str
    files: dict[str, Stored]
    token: str | None = None
    tree: list[dict[str, object]] = field(default_factory=list)


class HubServer:
    """A Hub on loopback; use as a context manager.

    Args:
        redirect: large files are answered by 302 to a second origin.
        page: entries of one page of a tree.
        latency_s: before each answer. bandwidth: bytes per second of each answer; None for no limit.
    """

    def __init__(
        self,
        redirect: bool = False,
        page: int = 1000,
        latency_s: float = 0.0,
        bandwidth: float | None = None,
        port: int = 0,
    ) -> None:
        self.redirect, self.page, self.latency_s, self.bandwidth = redirect, page, latency_s, bandwidth
        self.datasets: dict[str, Dataset] = {}
        self.faults = Faults()
        self.writes = Writes()
        self.lost: set[str] = set()  # objects that the storage does not find again
        self.writes_lock = threading.RLock()
        self.answers: dict[str, Callable[[str], Answer]] = {}  # to paths that match, instead of a dataset's
        self.counts: Counter[str] = Counter()
        self.bytes_served: Counter[str] = Counter()
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._plugged, self._refuses = threading.Event(), False
        self._plugged.set()
        self.lock = threading.Lock()
        self._servers = [Origin(self, "hub", port), Origin(self, "cdn", 0)]
        self.url, self.cdn_url = (f"http://127.0.0.1:{s.server_address[1]}" for s in self._servers)
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))  # and does not listen: its port refuses whoever knocks
        self.dead_url = f"http://127.0.0.1:{self._nobody.getsockname()[1]}/gone"
        self._threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in self._servers]

    def __enter__(self) -> HubServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._nobody.close()
        for server in self._servers:
            server.shutdown()
            server.drop_connections()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def add_dataset(
        self, repo: str, revision_sha: str, files: Mapping[str, bytes | Path], token: str | None = None
    ) -> None:
        """Serve the files as owner/name at this commit, which is also `main`. A token makes it private."""
        stored = {path: Stored(content, _is_lfs(path)) for path, content in files.items()}
        self.datasets[repo] = Dataset(revision_sha, stored, token)

    def keep(self, dataset: Dataset, path: str, content: bytes | None, oid: str | None, size: int | None) -> None:
        """A file of a commit: its content, or the object that it names."""
        held = self.writes.objects[oid or ""] if content is None else content
        dataset.files[path] = Stored(held, content is None, oid, size)

    def pull(self, silent: bool = False) -> None:
        """Pull the cable: every conversation ends and new ones are refused; or all of them just fall silent."""
        self._refuses = not silent
        self._plugged.clear()
        for server in self._servers if self._refuses else ():
            server.drop_connections()

    def plug(self) -> None:
        """Put the cable back."""
        self._refuses = False
        self._plugged.set()

    @property
    def refuses(self) -> bool:
        """Whether new conversations are ended at once."""
        return self._refuses

    def while_silent(self) -> None:
        """Wait until the cable is in, or the server stops."""
        while not self._plugged.wait(0.05) and not self._refuses and not self.stopping.is_set():
            pass

    @property
    def requests(self) -> int:
        """Requests so far, those to the second origin included."""
        return sum(self.counts.values())

    @property
    def total_bytes(self) -> int:
        """Body bytes sent so far."""
        return sum(self.bytes_served.values())

    def reset_counts(self) -> None:
        """Count from zero."""
        with self.lock:
            self.counts.clear()
            self.bytes_served.clear()
            self.seen.clear()


def _is_lfs(path: str) -> bool:
    return path.endswith((".parquet", ".nii.gz", ".nii", ".bin"))
