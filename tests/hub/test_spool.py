"""Spooling: a column chunk that Parquet must unpack is gone on with too, and never with a wrong byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadSettings, FetchCancelled
from core.hub.cache import Key
from core.hub.part import Promise, part_at
from core.hub.shelf import KEEP_BYTES
from core.hub.spool import Spool
from core.sources.protocol import Source
from tests.hub.conftest import drafts
from tests.hub.large import CASE, NAMES, StopAt, check, held, images, part, reader
from tests.hub.other_process import fetching, wait_for
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, Options, shard

QUICK, SLOW = 2_000_000.0, 250_000.0  # bytes per second
SLACK = 20_000  # bytes of page headers, and what of random bytes SNAPPY makes more
KEY = Key(REPO, COMMIT, CASE, "dwi")
PROMISE = Promise(place="data/a.parquet:100-600100")
DATA = bytes(range(250)) * 2400
LAYOUTS = {
    "snappy": (Options(compression="SNAPPY"), 1),
    "dictionary": (Options(dictionary=True), 1),
    "rows": (Options(), 2),
    "newer pages": (Options(page_version="2.0"), 1),
}


def serve(server: HubServer, layout: str) -> int:
    """Put the case into the server; returns the bytes of its images' chunks, about."""
    options, rows = LAYOUTS[layout]
    cases = [Case(f"sub-stroke{number + 1:04d}", images()) for number in range(rows)]
    server.add_dataset(REPO, COMMIT, {"data/train-00000-of-00001.parquet": shard(cases, options, NAMES)})
    return rows * sum(map(len, images().values()))


def stopped(server: HubServer, source: Source, folder: Path) -> int:
    """Bytes on disk after a fetch that its user stopped."""
    server.bandwidth, user = QUICK, StopAt(700_000)
    with pytest.raises(FetchCancelled):
        source.fetch(CASE, NAMES, user.report, user.cancelled)
    server.bandwidth = None
    return held(folder)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_a_cancel_only_the_rest_is_fetched(server: HubServer, tmp_path: Path, layout: str) -> None:
    whole = serve(server, layout)
    here = stopped(server, reader(server, tmp_path), tmp_path)
    assert here > KEEP_BYTES
    seen: list[int] = []
    fetched = reader(server, tmp_path).fetch(CASE, NAMES, lambda progress: seen.append(progress.done))
    check(fetched)
    assert seen == sorted(seen) and drafts(tmp_path) == []
    if layout != "newer pages":  # their chunks are taken for plain ones, and fetched again from the beginning
        assert whole - here - SLACK <= fetched.bytes_fetched <= whole - here + SLACK


def test_after_a_kill_only_the_rest_is_fetched(server: HubServer, tmp_path: Path) -> None:
    whole = serve(server, "snappy")
    source = reader(server, tmp_path)
    server.bandwidth = SLOW
    with fetching(server, tmp_path, CASE) as other:
        wait_for(lambda: part_at(part(tmp_path, "dwi")) is not None)
        other.kill()
        other.wait()
    server.bandwidth = None
    fetched = source.fetch(CASE, NAMES)
    check(fetched)
    assert fetched.bytes_fetched <= whole - KEEP_BYTES + SLACK
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("where", [100, 300_000])
def test_a_chunk_that_was_changed_is_thrown_away(server: HubServer, tmp_path: Path, where: int) -> None:
    serve(server, "snappy")
    source = reader(server, tmp_path)
    stopped(server, source, tmp_path)
    path = next(path for path in (part(tmp_path, name) for name in NAMES) if path.exists())
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    check(source.fetch(CASE, NAMES))
    assert drafts(tmp_path) == []


def spool(root: Path, promise: Promise = PROMISE, first: int = 100, shared: bool = True) -> Spool:
    return Spool(root, KEY, promise, first, len(DATA), shared, lambda count: None)


def test_it_goes_on_where_it_was_left(tmp_path: Path) -> None:
    begun = spool(tmp_path)
    begun.write(DATA[:400_000])
    begun.pause()
    with (tmp_path / KEY.part).open("ab") as file:
        file.write(b"nobody noted these")
    again = spool(tmp_path)
    assert again.bytes == 400_000
    again.write(DATA[400_000:])
    with again.mapped() as view:
        assert bytes(view) == DATA
    again.discard()
    again.pause()
    assert drafts(tmp_path) == []


@pytest.mark.parametrize(("promise", "first"), [(Promise(place="another"), 100), (PROMISE, 99)])
def test_a_chunk_of_another_place_is_not_gone_on_with(tmp_path: Path, promise: Promise, first: int) -> None:
    begun = spool(tmp_path)
    begun.write(DATA)
    begun.pause()
    other = spool(tmp_path, promise, first)
    assert other.bytes == 0 and part_at(tmp_path / KEY.part) is None
    other.discard()


def test_what_is_not_worth_it_bad_or_without_a_lock_is_not_left_behind(tmp_path: Path) -> None:
    small, alone = spool(tmp_path), spool(tmp_path, shared=False)
    small.write(DATA[: KEEP_BYTES - 1])
    alone.write(DATA)
    small.pause()
    alone.pause()
    bad = spool(tmp_path)
    bad.write(DATA)
    bad.bad = True
    bad.pause()
    assert drafts(tmp_path) == []


def test_a_stop_while_it_is_read_again_leaves_it_as_it_is(tmp_path: Path) -> None:
    begun = spool(tmp_path)
    begun.write(DATA)
    begun.pause()

    def stop(count: int) -> None:
        raise FetchCancelled("stopped", hint="")

    with pytest.raises(FetchCancelled):
        Spool(tmp_path, KEY, PROMISE, 100, len(DATA), True, stop)
    again = spool(tmp_path)
    assert again.bytes == len(DATA)
    again.discard()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where a folder should be")
    with pytest.raises(BadSettings, match="cache folder"):
        spool(tmp_path)
