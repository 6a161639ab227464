"""Catalog: which cases a Parquet dataset holds at one commit, and where each one's bytes lie.

The list of shards comes from a bundled manifest or from one tree listing; a shard's footer is read from the Hub once
and kept on disk for ever, since a commit never changes. Reads no image.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from core.case import check_case_id
from core.errors import CaseNotFound, HubCorrupt, StrokescopeError
from core.hub.client import Hub, RemoteFile
from core.hub.footer import ID_COLUMNS, TAIL, Row
from core.hub.policy import POLL_S, stop_if
from core.hub.ranges import Line
from core.hub.shards import Shard, check_subject, fetch_shard, load_shard, save_shard

THREADS = 16
MAX_SHARDS = 4096
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

    Raises:
        HubCorrupt: more shards than MAX_SHARDS.
    """

    def __init__(
        self,
        hub: Hub,
        repo: str,
        commit: str,
        root: Path,
        manifest: Mapping[str, str] | None = None,
        files: Sequence[RemoteFile] = (),
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

    def known(self) -> tuple[Entry, ...]:
        """Every case whose shard's footer is here, sorted by id. Makes no request."""
        if not self._looked:
            for path in self.paths:
                self._recall(path)
            self._looked = True
        return _entries([self._shards[path] for path in self.paths if path in self._shards], self._subject)

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
        if self.manifest is None:
            entry = next((e for e in self.known() if e.case_id == case_id), None)
            if entry is None and not self.complete():
                self.refresh(line)
                entry = next((e for e in self.known() if e.case_id == case_id), None)
        elif case_id in self.manifest:
            shard = self._shard(self.manifest[case_id], line)
            entry = Entry(case_id, shard, shard.rows[0])
        else:
            entry = None
        if entry is None:
            raise self._unknown(case_id)
        return entry

    def check_listed(self, case_id: str) -> None:
        """Raise CaseNotFound for an id that is none, or that a known list of cases lacks. Makes no request."""
        check_case_id(case_id)
        if self.manifest is not None:
            listed = case_id in self.manifest
        else:
            listed = not self.complete() or any(entry.case_id == case_id for entry in self.known())
        if not listed:
            raise self._unknown(case_id)

    def _unknown(self, case_id: str) -> CaseNotFound:
        return CaseNotFound(f"there is no case {case_id} in {self._repo}", hint="choose a case from the list")

    def refresh(self, line: Line, report: Report = lambda done, total: None) -> None:
        """Read the footers that are not here yet, THREADS at a time. What was read before a failure is kept.

        Raises:
            HubError: the first failure at once, but a corrupt shard only after all others were read.
            FetchCancelled, DiskFull.
        """
        missing = [path for path in self.paths if self._recall(path) is None]
        gone = threading.Event()
        inner = dataclasses.replace(line, cancelled=lambda: gone.is_set() or line.cancelled())
        corrupt: HubCorrupt | None = None
        with ThreadPoolExecutor(THREADS, thread_name_prefix="footer") as pool:
            waiting: set[Future[Shard]] = {pool.submit(self._shard, path, inner) for path in missing}
            try:
                while waiting:
                    report((len(missing) - len(waiting)) * TAIL, len(missing) * TAIL)
                    done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                    stop_if(line.cancelled)
                    corrupt = next(iter(_failures(done)), corrupt)
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
        file = self._files.get(path, RemoteFile(self._repo, self._commit, path))
        shard = fetch_shard(line, file) or fetch_shard(line, self._listed(path, line))
        if shard is None:
            raise HubCorrupt(f"the length of {path} cannot be learned", hint="try again later")
        self._check(shard)
        save_shard(self._record(path), shard)
        self._shards[path] = shard
        return shard

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
        with self._lock:
            if not self._files:
                listed = self._hub.tree(self._repo, self._commit, line.traffic, line.cancelled)
                self._files = {file.path: file for file in listed}
        if path not in self._files:
            raise HubCorrupt(f"{path} is missing from {self._repo}", hint="report it to the dataset's owner")
        return self._files[path]

    def _record(self, path: str) -> Path:
        return self._root / f"{hashlib.sha256(path.encode()).hexdigest()[:24]}.json"


def _failures(done: Iterable[Future[Shard]]) -> list[HubCorrupt]:
    """The corrupt ones among the finished; any other failure is raised."""
    corrupt = []
    for future in done:
        try:
            future.result()
        except HubCorrupt as error:
            corrupt.append(error)
    return corrupt


def _entries(shards: Sequence[Shard], subjects: Mapping[str, str]) -> tuple[Entry, ...]:
    """All rows as cases with unique ids, sorted by id."""
    found: dict[str, Entry] = {}
    for shard in shards:
        for number, row in enumerate(shard.rows):
            wanted = subjects.get(shard.path) or case_id_of(row, f"{Path(shard.path).stem}-{number:05d}")
            name, count = wanted, 2
            while name in found:
                name, count = f"{wanted}_{count}", count + 1
            found[name] = Entry(name, shard, row)
    return tuple(found[name] for name in sorted(found))


def case_id_of(row: Row, otherwise: str) -> str:
    """The row's own id, with its session if it has one; `otherwise` when it has none that may be an id."""
    raw = next((row.scalars[name] for name in ID_COLUMNS if row.scalars.get(name) is not None), None)
    session = next((row.scalars[name] for name in ("session_id", "session") if row.scalars.get(name)), None)
    parts = [f"{part:.0f}" if isinstance(part, float) else part for part in (raw, session) if part is not None]
    try:
        return check_case_id("_".join(parts))
    except CaseNotFound:
        try:
            return check_case_id(otherwise)
        except CaseNotFound:
            return f"row-{hashlib.sha256(otherwise.encode()).hexdigest()[:12]}"
