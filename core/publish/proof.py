"""Proof: what the repository itself shows of a staging folder's shards: path by path, size and sha256.

A call that returned proves nothing; only what the Hub lists, and a look at each file's end, which finds an object that
is listed and gone. A byte that changed in the middle is found by reading back alone (verify.py). Sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.errors import FetchCancelled, HubCorrupt, HubNotFound, HubServerError, PublishCancelled
from core.hub.client import Hub, RemoteFile
from core.hub.policy import Cancelled
from core.hub.ranges import Line, read_range
from core.hub.wire import Traffic
from core.publish.build import sum_shard
from core.publish.records import ShardRecord
from core.publish.staging import Staging
from core.publish.view import View

TAIL = 2**16  # bytes of a shard's end that are compared
_AT_ONCE = 4  # ends that are asked for: 900 of them within a minute or two, and within what the Hub allows
_MAGIC = b"PAR1"
GONE = frozenset({403, 404, 410})  # what a storage says of an object that it does not have


@dataclass(frozen=True)
class Remote:
    """A repository at one commit."""

    repo: str
    commit: str
    files: Mapping[str, RemoteFile]


@dataclass(frozen=True)
class Judged:
    """A staging folder's record against a repository.

    Attributes:
        proven: indices of shards that are listed with their size and sha256.
        missing, different: indices of the others.
        unexpected: paths that `datasets` would read and that are none of ours.
    """

    proven: tuple[int, ...]
    missing: tuple[int, ...]
    different: tuple[int, ...]
    unexpected: tuple[str, ...]


@dataclass
class Looks:
    """Which shards' ends were looked at in this run, and what of them is not there."""

    good: set[int] = field(default_factory=set)
    bad: set[int] = field(default_factory=set)


def look_up(hub: Hub, repo: str, revision: str, cancelled: Cancelled) -> Remote:
    """The repository now. Raises HubError, PublishCancelled."""
    with stopping():
        commit = hub.commit_of(repo, revision, Traffic(), cancelled)
        files = hub.tree(repo, commit, Traffic(), cancelled)
    return Remote(repo, commit, {file.path: file for file in files})


def judge(view: View, remote: Remote) -> Judged:
    """Compare, path by path."""
    proven, missing, different = [], [], []
    for shard in view.shards:
        file = remote.files.get(shard.name)
        if file is None:
            missing.append(shard.index)
        elif shard.is_made and (file.size, file.sha256) == (shard.bytes, shard.sha256):
            proven.append(shard.index)
        else:
            different.append(shard.index)
    ours = {shard.name for shard in view.shards}
    others = (path for path in remote.files if path not in ours and _is_read(path))
    return Judged(tuple(proven), tuple(missing), tuple(different), tuple(sorted(others)))


def settle(
    staging: Staging,
    hub: Hub,
    remote: Remote,
    looks: Looks,
    cancelled: Cancelled,
    only: Collection[int] | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Judged:
    """Bring the record in line with the repository: what it proves is proven, what it lacks is to be sent again.

    Args:
        looks: gone on with, so that each shard's end is asked for once in a run.
        only: indices; None for all.
        tell: how many ends were looked at, of how many.

    Raises:
        HubError: the Hub could not be asked; what was proven until then is recorded. PublishCancelled.
    """
    found = judge(staging.view, remote)
    chosen = range(len(staging.view.shards)) if only is None else only
    listed = set(found.proven)
    try:
        todo = [index for index in chosen if index in listed and index not in looks.good]
        _look_at_ends(staging.view, hub, remote, todo, looks, cancelled, tell)
    finally:
        proven = listed & looks.good
        moving = [index for index in chosen if index in proven and staging[index].state in ("built", "sent")]
        staging.proven({index: (staging[index].bytes, staging[index].sha256) for index in moving})
    for index in chosen:
        if staging[index].is_remote and index not in proven:
            looks.good.discard(index)
            staging.unsent(index)
    return found


def _look_at_ends(
    view: View,
    hub: Hub,
    remote: Remote,
    indices: Collection[int],
    looks: Looks,
    cancelled: Cancelled,
    tell: Callable[[int, int], None],
) -> None:
    """Ask for the shards' ends, several at a time; what came until an error is in `looks`."""

    def one(index: int) -> bool:
        shard = view.shards[index]
        file, end = remote.files[shard.name], _end_of(view, shard)
        if ends_well(hub, file, end, cancelled):
            return True
        lies_whole = end is None or _sum_of(view, shard) == shard.sha256
        return not lies_whole and ends_well(hub, file, None, cancelled)  # it is ours that is damaged

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ends") as pool:
        asked = {pool.submit(one, index): index for index in indices}
        try:
            for done, future in enumerate(as_completed(asked), 1):
                (looks.good if future.result() else looks.bad).add(asked[future])
                tell(done, len(asked))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def ends_well(hub: Hub, file: RemoteFile, end: bytes | None, cancelled: Cancelled) -> bool:
    """Whether the file's last bytes can be read, and are these; None: those of any Parquet file.

    Raises:
        HubError: the Hub could not be asked. PublishCancelled.
    """
    size = file.size or 0
    count = min(size, TAIL) if end is None else len(end)
    line = Line(hub, hub.policies.transfer, cancelled)
    try:
        with stopping():
            found = read_range(line, file, size - count, size)
    except (HubNotFound, HubCorrupt):
        return False
    except HubServerError as error:
        if error.storage_status not in GONE:
            raise
        return False
    return found == end if end is not None else found.endswith(_MAGIC)


def paths(view: View, indices: Iterable[int]) -> tuple[str, ...]:
    """The shards' names."""
    return tuple(view.shards[index].name for index in indices)


@contextmanager
def stopping() -> Iterator[None]:
    """A transfer that was stopped is a publishing that was stopped."""
    try:
        yield
    except FetchCancelled:
        raise PublishCancelled("stopped", hint="start again: it goes on where it stopped") from None


def _is_read(path: str) -> bool:
    """Whether `datasets` would take it for data."""
    return path.startswith("data/") or path.endswith(".parquet")


def _end_of(view: View, shard: ShardRecord) -> bytes | None:
    """The shard's last bytes, if it still lies here."""
    try:
        with view.place(shard.index).open("rb") as file:
            file.seek(max(0, shard.bytes - TAIL))
            return file.read(TAIL) if shard.bytes else None
    except OSError:
        return None


def _sum_of(view: View, shard: ShardRecord) -> str | None:
    """The sum of the shard as it lies here, if it does."""
    try:
        return sum_shard(view.place(shard.index), lambda count: None)
    except OSError:
        return None
