"""python -m tests.hub.matrix: each fault of the Hub against each call, with the shipped deadlines, as Markdown.

The rows and what is expected of them are those of test_faults, which uses shorter deadlines.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from core.errors import HubCorrupt, HubDenied, HubError, HubNotFound, HubOffline, HubRateLimited, HubTimeout
from core.errors import HubServerError as Broken
from core.hub.cache import Cache
from core.hub.catalog import Catalog
from core.hub.client import Hub
from core.hub.fetch import Fetcher
from core.hub.policy import Policies
from core.imaging.nifti import check_file
from core.sources.hub import open_hub
from core.sources.parquet import ParquetSource
from core.sources.protocol import Source
from tests.hub.conftest import settings_for
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO, case, nifti, shard

FILES_REPO, FILES_COMMIT = "tester/files", "6" * 40
CASE, TRIO = "sub-stroke0002", ("dwi", "adc", "lesion_mask")
FILES = {f"sub-01/sub-01_{name}.nii.gz": nifti(n) for n, name in enumerate(("dwi", "adc", "lesion-msk"))}
Expected = type[HubError] | None  # None: the right bytes


@cache
def shards() -> dict[str, bytes]:
    """Three shards of one case each."""
    return {f"data/train-{n:05d}-of-00003.parquet": shard([case(n + 1)]) for n in range(3)}


@dataclass(frozen=True)
class Call:
    """One thing that people ask of a source.

    Attributes:
        where: the requests that the fault strikes, as a regular expression.
        limit_s: within which a person is told, with the shipped deadlines.
        open: the source; `prepared` folders hold what is learned before.
        ask: asks, and fails unless the answer is right.
    """

    name: str
    where: str
    limit_s: float
    open: Callable[[HubServer, Path, Policies], Source]
    ask: Callable[[Source], None]
    prepared: bool = False


@dataclass(frozen=True)
class Row:
    """One fault and what becomes of it: None for the right bytes; by call, "" for all others.

    Attributes:
        stalls: time passes without a byte before it is noticed.
        only: the calls that it can strike so that it shows: no checksum betrays a flipped byte of JSON or of a footer.
    """

    name: str
    fault: Fault
    ever: dict[str, Expected]
    once: dict[str, Expected] = field(default_factory=dict)
    stalls: bool = False
    only: tuple[str, ...] = ()

    def strikes(self, call: Call) -> bool:
        """Whether the call is part of the matrix."""
        return not self.only or call.name in self.only

    def fits(self, outcome: Outcome, call: Call, times: int | None) -> bool:
        """Whether the call came to what is expected; a list that misses what failed is as good as its error."""
        told = self.ever if times is None else self.once
        expected = told.get(call.name, told.get(""))
        came = type(outcome.error) if outcome.error else None
        return came is expected or (expected is not None and came is Partly)


@dataclass(frozen=True)
class Outcome:
    """What a call came to: None for the right bytes, or the error; seconds."""

    error: HubError | None
    seconds: float

    def __str__(self) -> str:
        what = "a part" if type(self.error) is Partly else type(self.error).__name__ if self.error else "right"
        return what + (f" {self.seconds:.1f} s" if self.seconds >= 0.95 else "")


class Partly(HubError):
    """A list of cases without those whose footer could not be read, which says so."""


def _at(repo: str, revision: str) -> Callable[[HubServer, Path, Policies], Source]:
    return lambda hub, at, policies: open_hub(repo, revision, settings_for(hub, at), Cache(at), policies)


_branch, _commit, _files = _at(REPO, "main"), _at(REPO, COMMIT), _at(FILES_REPO, FILES_COMMIT)


def _pinned(server: HubServer, folder: Path, policies: Policies) -> Source:
    """As for the pinned revision: the list of cases is known before anything is asked."""
    hub = Hub(server.url, policies=policies)
    manifest = {f"sub-stroke{n + 1:04d}": path for n, path in enumerate(shards())}
    catalog = Catalog(hub, REPO, COMMIT, folder / "footers" / "tester--strokes" / COMMIT, manifest)
    return ParquetSource(hub, REPO, COMMIT, catalog, Fetcher(Cache(folder), check_file))


def _list(source: Source) -> None:
    listing = source.listing()
    assert listing.revision == COMMIT
    shown = [(c.case_id, c.clinical.age) for c in listing.cases]
    whole = [("sub-stroke0001", 41.0), ("sub-stroke0002", 42.0), ("sub-stroke0003", 43.0)]
    if not listing.complete:  # what cannot be read does not hide the rest, and the listing says so
        assert set() < set(shown) < set(whole)
        raise Partly("a part of the list", hint="refresh the list")
    assert shown == whole


def _refresh(source: Source) -> None:
    listing = source.refresh()
    assert listing.complete
    assert [c.clinical.age for c in listing.cases] == [41.0, 42.0, 43.0]


def _case(source: Source) -> None:
    files = source.fetch(CASE, TRIO).files
    images = case(2).images
    assert {name: gzip.decompress(file.path.read_bytes()) for name, file in files.items()} == {
        name: gzip.decompress(images[name]) for name in TRIO
    }


def _whole(source: Source) -> None:
    files = source.fetch("sub-01", ["dwi"]).files
    assert files["dwi"].path.read_bytes() == FILES["sub-01/sub-01_dwi.nii.gz"]


def _header(source: Source) -> None:
    header = source.header(CASE, "dwi")
    assert (header.shape, header.volumes) == ((16, 16, 20), 1)


CALLS = (
    Call("list: commit", "/revision/", 5.0, _branch, _list),
    Call("list: tree", "/tree/", 5.0, _branch, _list),
    Call("list: footers", "/resolve/", 5.0, _branch, _list),
    Call("refresh", "/resolve/", 5.0, _pinned, _refresh),
    Call("case", "/resolve/", 15.0, _commit, _case, prepared=True),
    Call("whole file", "/resolve/", 15.0, _files, _whole, prepared=True),
    Call("header", "/resolve/", 5.0, _commit, _header, prepared=True),
)
JSON = ("list: commit", "list: tree")
RANGES_ONLY: dict[str, Expected] = {"": HubCorrupt, **dict.fromkeys((*JSON, "whole file"))}
WAIT = (("Retry-After", "40"),)


def _status(status: int, error: type[HubError], headers: tuple[tuple[str, str], ...] = ()) -> Row:
    fault = Fault("status", status=status, headers=headers)
    return Row(f"{status}{' for 40 s' if headers else ''}", fault, {"": error}, {} if status >= 500 else {"": error})


ROWS = (
    Row("latency", Fault("delay", delay_s=0.05), {}),
    Row("slow line", Fault("slow", rate=400_000), {}),
    _status(401, HubDenied),
    _status(403, HubDenied),
    _status(404, HubNotFound),
    _status(429, HubRateLimited, WAIT),
    _status(500, Broken),
    _status(503, Broken),
    Row("no answer", Fault("silent"), {"": HubTimeout}, stalls=True),
    Row("no answer, closed", Fault("drop"), {"": Broken}),
    Row("redirect to a dead origin", Fault("dead"), {"": HubOffline}),
    Row("redirect in a circle", Fault("circle"), {"": Broken}),
    Row("403 of the second origin", Fault("expired"), {"": Broken}),
    Row("redirect to ftp://", Fault("scheme"), {"": Broken}),
    Row("absurd headers", Fault("heads"), {"": Broken}),
    Row("HTML with 200", Fault("json"), {"": HubCorrupt}),
    Row("honest short body", Fault("short"), {"": HubCorrupt}),
    Row("another range", Fault("shifted"), RANGES_ONLY),
    Row("Range ignored", Fault("ignore_range"), RANGES_ONLY),
    Row("half, then nothing", Fault("hang"), {"": HubTimeout}, stalls=True),
    Row("a few bytes, then nothing", Fault("trickle"), {"": HubTimeout}, stalls=True),
    Row("a byte now and then", Fault("drip", delay_s=0.25), {"": HubTimeout}, stalls=True),
    Row("reset in mid-body", Fault("reset"), {"": Broken}),
    Row("truncated", Fault("truncate"), {"": Broken}),
    Row("longer than promised", Fault("longer"), {"": HubCorrupt}),
    Row("a byte flipped", Fault("flip"), {"": HubCorrupt}, only=("case", "whole file")),
)


@contextmanager
def world(redirect: bool = False) -> Iterator[HubServer]:
    """A Hub with both kinds of datasets."""
    with HubServer(redirect=redirect) as server:
        server.add_dataset(REPO, COMMIT, shards())
        server.add_dataset(FILES_REPO, FILES_COMMIT, FILES)
        yield server


def prepare(folder: Path, policies: Policies) -> Path:
    """A folder with what the prepared calls know beforehand: trees and footers, no image."""
    with world() as server:
        _commit(server, folder, policies).refresh()
        _files(server, folder, policies).listing()
    return folder


def play(server: HubServer, call: Call, folder: Path, prepared: Path, policies: Policies, *faults: Fault) -> Outcome:
    """Put the faults in force, ask, and behave again; wrong bytes anywhere are an AssertionError."""
    if call.prepared and not folder.exists():
        shutil.copytree(prepared, folder)
    source = call.open(server, folder, policies)
    server.faults.add(*(dataclasses.replace(fault, where=call.where) for fault in faults))
    begun, told = time.monotonic(), None
    try:
        call.ask(source)
    except HubError as error:
        assert error.hint
        told = error
    finally:
        server.faults.clear()
    check_folder(folder)
    return Outcome(told, time.monotonic() - begun)


@cache
def _truth() -> dict[str, set[str]]:
    """sha256 of every image that may lie at a final path, by its name there."""
    names = {"lesion-msk": "lesion_mask"}
    images = [(name, data) for n in (1, 2, 3) for name, data in case(n).images.items()]
    images += [(path.split("_")[-1].removesuffix(".nii.gz"), data) for path, data in FILES.items()]
    found: dict[str, set[str]] = {}
    for name, data in images:
        found.setdefault(f"{names.get(name, name)}.nii.gz", set()).add(hashlib.sha256(data).hexdigest())
    return found


def check_folder(folder: Path) -> None:
    """Nothing but whole, right images at final paths, and no scratch files."""
    for path in (folder / "images").rglob("*"):
        if path.is_file() and path.suffix == ".gz":
            assert hashlib.sha256(path.read_bytes()).hexdigest() in _truth()[path.name]
        assert not (path.is_file() and path.name.startswith((".part", "tmp"))), path.name


def table(times: int | None, cells: dict[tuple[str, str, int | None], Outcome]) -> str:
    """One table of Markdown."""
    lines = [" | ".join(["| fault", *(call.name for call in CALLS)]) + " |", "|---" * (len(CALLS) + 1) + "|"]
    for row in ROWS:
        told = (str(cells.get((row.name, call.name, times), "–")) for call in CALLS)
        lines.append(" | ".join([f"| {row.name}", *told]) + " |")
    return "\n".join(lines)


def main() -> int:
    """Print both tables. Returns 1 if an outcome or its time is not what is promised."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        prepared = prepare(root / "prepared", Policies())

        def one(number: int, row: Row, call: Call, times: int | None) -> Outcome:
            with world() as server:
                fault = dataclasses.replace(row.fault, times=times)
                outcome = play(server, call, root / str(number), prepared, Policies(), fault)
            if not row.fits(outcome, call, times) or outcome.seconds > call.limit_s:
                wrong.append(f"{row.name}, {call.name}, times={times}: {outcome}")
            return outcome

        keys = [(row, call, times) for times in (1, None) for row in ROWS for call in CALLS if row.strikes(call)]
        with ThreadPoolExecutor(6) as pool:
            outcomes = pool.map(one, range(len(keys)), *zip(*keys, strict=True))
            cells = {(row.name, call.name, times): o for (row, call, times), o in zip(keys, outcomes, strict=True)}
    sys.stdout.write(f"The fault strikes once:\n\n{table(1, cells)}\n\nFor ever:\n\n{table(None, cells)}\n")
    sys.stderr.write("".join(f"not as promised: {line}\n" for line in wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
