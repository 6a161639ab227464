"""Catalog: which cases a Parquet dataset holds at one commit, and where each one's bytes lie.

The list of shards comes from a bundled manifest or from one tree listing; a shard's footer is read from the Hub once
and kept on disk for ever, since a commit never changes. Reads no image.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from core.case import check_case_id
from core.errors import CaseNotFound, HubCorrupt, HubTimeout, StrokescopeError
from core.hub.client import Hub, RemoteFile
from core.hub.footer import TAIL, Row
from core.hub.ids import case_id_of, unique_id
from core.hub.policy import POLL_S, stop_if
from core.hub.ranges import Line
from core.hub.shards import Shard, check_subject, fetch_shard, held, load_shard, save_shard

THREADS = 16
MAX_SHARDS = 4096
MAX_CASES = 200_000
MAX_FOOTERS = 256 * 2**20  # bytes of all footers together, which stay in memory
MAX_BAD = 50  # corrupt shards, after which the others are not asked for
BAD_S = 60.0  # seconds that a shard found corrupt is not asked for again
Report = Callable[[int, int], None]  # bytes of footers read, bytes in all (both rounded to TAIL per shard)


@dataclass(frozen=True)
class Entry:
    """One case: the row of a shard."""

    case_id: str
    shard: Shard
    row: Row


def bundled_manifest() -> dict[str, str]:
    """Case id -> shard path of the pinned revision of ISLES'24 (149 cases, one per shard).

    Source: facts measured on hugging-science/isles24-stroke at core.settings.PINNED_REVISION.
    """
    text = resources.files("core.hub").joinpath("isles24.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {row["subject_id"]: f"data/train-{int(row['shard']):05d}-of-{len(rows):05d}.parquet" for row in rows}


class Catalog:
    """The cases of one dataset at one commit. Safe to use from several threads.

    Args:
        root: folder for the records of this commit.
        manifest: case id -> shard path, when known beforehand; each shard holds that one case.
        files: the commit's files, when there is no manifest.
        clock: seconds.

    Raises:
        HubCorrupt: more shards than MAX_SHARDS. Of any question: more than MAX_CASES or MAX_FOOTERS.
    """

    def __init__(
        self,
        hub: Hub,
        repo: str,
        commit: str,
        root: Path,
        manifest: Mapping[str, str] | None = None,
        files: Sequence[RemoteFile] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub, self._repo, self._commit, self._root = hub, repo, commit, root
        self.manifest = dict(manifest) if manifest is not None else None
        self._files = {file.path: file for file in files if file.path.endswith(".parquet")}
        self.paths = tuple(sorted(set(self.manifest.values()) if self.manifest else self._files))
        if len(self.paths) > MAX_SHARDS:
            raise HubCorrupt(f"{repo} has {len(self.paths)} shards", hint=f"choose one with at most {MAX_SHARDS}")
        self._subject = {path: case_id for case_id, path in (self.manifest or {}).items()}
        self._shards: dict[str, Shard] = {}
        self._lock = threading.Lock()
        self._looked = False
        self._clock = clock
        self._bad: dict[str, tuple[float, HubCorrupt]] = {}
        self._found: tuple[int, dict[str, Entry]] = (-1, {})

    def known(self) -> tuple[Entry, ...]:
        """Every case whose shard's footer is here, sorted by id. Makes no request."""
        if not self._looked:
            for path in self.paths:
                self._recall(path)
            self._looked = True
        return tuple(self._by_id().values())

    def _by_id(self) -> dict[str, Entry]:
        """The known cases by id, sorted; made again only when a shard has come since."""
        shards = [self._shards[path] for path in self.paths if path in self._shards]
        count, found = self._found
        if count != len(shards):
            self._check_total(shards)
            found = _entries(shards, self._subject)
            self._found = (len(shards), found)
        return found

    def _check_total(self, shards: Sequence[Shard]) -> None:
        cases, footers = sum(len(s.rows) for s in shards), sum(len(s.footer) for s in shards)
        if cases > MAX_CASES or footers > MAX_FOOTERS:
            raise HubCorrupt(
                f"{self._repo} holds {cases} cases and {footers / 1e6:.0f} MB of footers, more than can be listed",
                hint=f"choose a dataset of at most {MAX_CASES} cases",
            )

    def complete(self) -> bool:
        """Whether every shard's footer is here."""
        self.known()
        return len(self._shards) == len(self.paths)

    def entry(self, case_id: str, line: Line) -> Entry:
        """One case, at the cost of its shard's footer at most; of all footers without a manifest.

        Raises:
            CaseNotFound, HubError, FetchCancelled.
        """
        check_case_id(case_id)
        entry: Entry | None = None
        if self.manifest is None:
            self.known()
            if case_id not in self._by_id() and not self.complete():
                self.refresh(line)
            entry = self._by_id().get(case_id)
        elif case_id in self.manifest:
            shard = self._shard(self.manifest[case_id], line)
            entry = Entry(case_id, shard, shard.rows[0])
        if entry is None:
            raise self._unknown(case_id)
        return entry

    def check_listed(self, case_id: str) -> None:
        """Raise CaseNotFound for an id that is none, or that a known list of cases lacks. Makes no request."""
        check_case_id(case_id)
        if self.manifest is not None:
            listed = case_id in self.manifest
        else:
            listed = not self.complete() or case_id in self._by_id()
        if not listed:
            raise self._unknown(case_id)

    def _unknown(self, case_id: str) -> CaseNotFound:
        return CaseNotFound(f"there is no case {case_id} in {self._repo}", hint="choose a case from the list")

    def refresh(self, line: Line, report: Report = lambda done, total: None, again: bool = True) -> None:
        """Read the footers that are not here yet, THREADS at a time. What was read before a failure is kept.

        Args:
            again: ask also for shards that were found corrupt within the last BAD_S.

        Raises:
            HubError: the first failure at once, but a corrupt shard only after all others were read, or MAX_BAD more.
            HubTimeout: all of it takes longer than the policy's `total_s`.
            FetchCancelled, DiskFull.
        """
        end = self._clock() + line.policy.total_s
        missing = [path for path in self.paths if self._recall(path) is None]
        bad = {path: error for path in missing if not again and (error := self._still_bad(path))}
        missing = [path for path in missing if path not in bad]
        gone = threading.Event()
        inner = dataclasses.replace(line, cancelled=lambda: gone.is_set() or line.cancelled())
        corrupt: HubCorrupt | None = next(iter(bad.values()), None)
        count = len(bad)
        if corrupt is not None and count > MAX_BAD:
            raise corrupt
        with ThreadPoolExecutor(THREADS, thread_name_prefix="footer") as pool:
            waiting: set[Future[Shard]] = {pool.submit(self._shard, path, inner) for path in missing}
            try:
                while waiting:
                    report((len(missing) - len(waiting)) * TAIL, len(missing) * TAIL)
                    done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                    stop_if(line.cancelled)
                    failures = _failures(done)
                    count += len(failures)
                    corrupt = next(iter(failures), corrupt)
                    if corrupt is not None and count > MAX_BAD:
                        raise corrupt
                    if waiting and self._clock() > end:
                        raise _too_slow(line.policy.total_s, len(missing) - len(waiting), len(missing))
            finally:
                gone.set()
                pool.shutdown(wait=True, cancel_futures=True)
        report(len(missing) * TAIL, len(missing) * TAIL)
        if corrupt is not None:
            raise corrupt

    def _shard(self, path: str, line: Line) -> Shard:
        """The shard from memory, disk or the Hub."""
        known = self._recall(path)
        if known is not None:
            return known
        try:
            shard = self._fetched(path, line)
            self._check_total([*self._shards.values(), shard])
        except HubCorrupt as corrupt:
            self._bad[path] = (self._clock() + BAD_S, corrupt)
            raise
        save_shard(self._record(path), shard)
        self._shards[path] = shard
        return shard

    def _fetched(self, path: str, line: Line) -> Shard:
        """From the Hub; what cannot be read is asked for once more."""
        for last in (False, True):
            try:
                file = self._files.get(path, RemoteFile(self._repo, self._commit, path))
                shard = fetch_shard(line, file) or fetch_shard(line, self._listed(path, line))
                if shard is None:
                    raise HubCorrupt(f"the length of {path} cannot be learned", hint="try again later")
                self._check(shard)
                return shard
            except HubCorrupt:
                if last:
                    raise
        raise AssertionError

    def _still_bad(self, path: str) -> HubCorrupt | None:
        """What was wrong with the shard, if it was found corrupt a short while ago."""
        until, error = self._bad.get(path, (0.0, None))
        return None if error is None or self._clock() >= until else HubCorrupt(str(error), hint=error.hint)

    def _recall(self, path: str) -> Shard | None:
        if path not in self._shards:
            shard = load_shard(self._record(path), path)
            try:
                if shard is not None:
                    self._check(shard)
                    self._shards[path] = shard
            except StrokescopeError:
                return None
        return self._shards.get(path)

    def _check(self, shard: Shard) -> None:
        if shard.path in self._subject:
            check_subject(shard, self._subject[shard.path])

    def _listed(self, path: str, line: Line) -> RemoteFile:
        """The file with its size, from one listing of the tree for all shards."""
        with held(self._lock, line.cancelled):
            if not self._files:
                listed = self._hub.tree(self._repo, self._commit, line.traffic, line.cancelled)
                self._files = {file.path: file for file in listed}
        if path not in self._files:
            raise HubCorrupt(f"{path} is missing from {self._repo}", hint="report it to the dataset's owner")
        return self._files[path]

    def _record(self, path: str) -> Path:
        return self._root / f"{hashlib.sha256(path.encode()).hexdigest()[:24]}.json"


def _too_slow(seconds: float, done: int, count: int) -> HubTimeout:
    return HubTimeout(
        f"reading the cases took longer than {seconds:.0f} s; {done} of {count} files of the dataset were read",
        hint="try again: what was read is kept, and the rest is asked for",
    )


def _failures(done: Iterable[Future[Shard]]) -> list[HubCorrupt]:
    """The corrupt ones among the finished; any other failure is raised."""
    corrupt = []
    for future in done:
        try:
            future.result()
        except HubCorrupt as error:
            corrupt.append(error)
    return corrupt


def _entries(shards: Sequence[Shard], subjects: Mapping[str, str]) -> dict[str, Entry]:
    """All rows as cases by their ids, sorted; ids that are equal, or differ only by case, get a number."""
    found: dict[str, Entry] = {}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for shard in shards:
        for number, row in enumerate(shard.rows):
            wanted = subjects.get(shard.path) or case_id_of(row, f"{Path(shard.path).stem}-{number:05d}")
            name = unique_id(wanted, taken, counts)
            found[name] = Entry(name, shard, row)
    return {name: found[name] for name in sorted(found)}
