"""Kept: finished results on this disk, found again by exactly what they were made of.

One folder per recipe (source, case, engine, version, parameters, digests of the inputs), which may be moved as a whole.
Only the newest stay; all of them can be computed again. What a job writes or a screen shows stays (leases on the
folder). Runs nothing; what a folder says of itself is read in kept_record.py.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import BadInput, ResultInUse
from core.hub.leases import Leases, alone
from core.hub.locks import lock, trying
from core.segmentation.engine_info import EngineInfo, Value
from core.segmentation.kept_record import RECORD, Kept, KeptResult, Origin, entry_of, read, size_of, written
from core.segmentation.results import JobResult

KEEP = 200
_KEY = re.compile(r"[0-9a-f]{32}")
_MAKING = ".making-"  # the lock of who makes a result
_GONE = ".gone-"  # a folder that is being removed


def is_key(text: str) -> bool:
    """Whether this can be the name of a result's folder."""
    return _KEY.fullmatch(text) is not None


Stamp = tuple[int, int, int] | None


def _stamp(path: Path) -> Stamp:
    """The state of a file or folder; None for one that is not there."""
    try:
        state = path.lstat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def _stamps(folder: Path, kept: KeptResult) -> tuple[Stamp, ...]:
    """The state of all that a result was read from: another state may be another result."""
    return tuple(_stamp(path) for path in (folder / RECORD, folder, *kept.result.files))


class Results:
    """The folder of results below the cache directory. Safe to use from several threads and processes."""

    def __init__(self, cache_dir: Path, leases: Leases | None = None) -> None:
        self._root = cache_dir / "results"
        self._leases = leases or Leases()
        self._known: dict[str, tuple[tuple[Stamp, ...], KeptResult]] = {}
        self._lock = threading.Lock()

    def folder(
        self,
        engine: EngineInfo,
        parameters: Mapping[str, Value],
        digests: Sequence[str],
        case_id: str | None,
        source: str | None,
        labels: Mapping[str, str] | None = None,
    ) -> Path:
        """Where the result of exactly this lies, or will lie.

        Args:
            labels: as the job's, where what an input is called matters to the result.

        Raises:
            BadParameter: the engine does not take these parameters.
        """
        recipe = [
            source,
            case_id,
            engine.name,
            engine.version,
            sorted(engine.settle(parameters).items()),
            list(digests),
            *([sorted(labels.items())] if labels else []),
        ]
        return self._root / hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]

    def find(self, folder: Path) -> JobResult | None:
        """The finished result in that folder, if there is one and all its files are still there and whole."""
        found = read(folder)
        return None if found is None else found[0]

    def keep(self, folder: Path, result: JobResult, most: int = KEEP, origin: Origin | None = None) -> None:
        """Note a finished result in its folder, and let the oldest go. A full disk only costs the memory of it.

        Args:
            most: results that may stay; those in use stay besides.
            origin: where it comes from; without, what the sidecar says of that.
        """
        beside = folder / f".result.{uuid.uuid4().hex}.part"
        try:
            beside.write_text(written(result, origin, time.time()), encoding="utf-8")
            beside.replace(folder / RECORD)
        except OSError:
            with suppress(OSError):
                beside.unlink()
        for old in self._oldest_first()[:-most]:
            if old != folder:
                self._remove(old)

    def get(self, key: str) -> KeptResult | None:
        """The result of that name; None for one that is not (or no longer) here, or a name that is none."""
        if not is_key(key):
            return None
        folder = self._root / key
        with self._lock:
            known = self._known.get(key)
        if known is not None and known[0] == _stamps(folder, known[1]):
            return known[1]
        before, found = _stamp(folder / RECORD), entry_of(folder)
        with self._lock:
            self._known.pop(key, None)
            if found is not None and (stamps := _stamps(folder, found))[0] == before:
                self._known[key] = stamps, found
        return found

    def of_case(self, source: str, case_id: str) -> tuple[KeptResult, ...]:
        """The results of one case of one source, newest first. `source`: its canonical spec."""
        found = (self.get(folder.name) for folder in self._oldest_first())
        mine = (r for r in found if r is not None and r.belongs_to(source, case_id))
        return tuple(sorted(mine, key=lambda r: (r.made, r.key), reverse=True))

    def entries(self) -> tuple[Kept, ...]:
        """All folders, oldest first."""
        return tuple(Kept(f.name, f, size_of(f), self.get(f.name)) for f in self._oldest_first())

    def hold(self, owner: str, keys: Iterable[str]) -> frozenset[str]:
        """These results are on the owner's screen, instead of those before: they must stay. Those that are here."""
        held = self._leases.hold(owner, [self._root / key for key in keys if is_key(key)])
        return frozenset(path.name for path in held)

    def let_go(self, owner: str) -> None:
        """The owner shows no result any more."""
        self._leases.let_go(owner)

    @contextmanager
    def making(
        self, folder: Path, cancelled: Callable[[], bool], waiting: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """While the block runs, no other app on this cache makes this result; waits for one that does.

        Args:
            waiting: called about ten times a second meanwhile.

        Raises:
            FetchCancelled: `cancelled` said so before it was its turn.
        """
        with lock(self._root / f"{_MAKING}{folder.name}", cancelled, waiting):
            yield

    @contextmanager
    def using(self, folders: Iterable[Path]) -> Iterator[None]:
        """While the block runs, nobody removes these: a job writes into them, or reads them."""
        wanted = [folder for folder in folders if folder.parent == self._root]
        for folder in wanted:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        taken = self._leases.take(wanted)
        try:
            yield
        finally:
            self._leases.give_back(taken)
            for folder in wanted:
                with suppress(OSError):
                    folder.rmdir()  # a job that ended without a result leaves nothing

    def delete(self, key: str) -> int:
        """Remove one result. Returns the bytes freed, 0 when it was gone already.

        Raises:
            BadInput: that is no name of a result.
            ResultInUse: a job works with it, or it is on somebody's screen.
        """
        if not is_key(key):
            raise BadInput("that is not the name of a result", hint="choose one from the list")
        return self._delete(self._root / key)

    def remove(self, entry: Kept) -> int:
        """As `delete`, for any folder that `entries` told of, also one that holds no result."""
        return self._delete(entry.folder)

    def _delete(self, folder: Path) -> int:
        if not folder.is_dir():
            return 0
        freed = self._remove(folder)
        if freed is None:
            raise ResultInUse("a job works with this result, or it is on somebody's screen", hint="try again later")
        return freed

    def clear(self) -> int:
        """Remove all that nobody uses. Returns the bytes freed."""
        return sum(self._remove(folder) or 0 for folder in self._oldest_first())

    def _remove(self, folder: Path) -> int | None:
        """Bytes freed; None where somebody uses it. It is there whole, or not at all."""
        if self._leases.holds(folder):  # also where the file system knows no locks, or too many files are open
            return None
        gone = self._root / f"{_GONE}{uuid.uuid4().hex}"
        with alone(folder) as mine:
            if not mine:
                return None
            size = size_of(folder)
            try:
                folder.rename(gone)
            except OSError:
                return None
        with self._lock:
            self._known.pop(folder.name, None)
        shutil.rmtree(gone, ignore_errors=True)
        return size

    def _oldest_first(self) -> list[Path]:
        found: list[tuple[float, Path]] = []
        with suppress(OSError):
            for path in self._root.iterdir():
                if path.name.startswith(_MAKING):
                    with trying(path):
                        continue  # whose maker is gone, it goes too
                with suppress(OSError):
                    if path.is_dir() and not path.is_symlink():
                        found.append((path.stat().st_mtime, path))
        for _, path in found:
            if path.name.startswith(_GONE):
                shutil.rmtree(path, ignore_errors=True)  # a process ended while it removed it
        return [path for _, path in sorted(found) if not path.name.startswith(_GONE)]
