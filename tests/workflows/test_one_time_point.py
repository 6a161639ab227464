"""One time point of a 4D image: fetched whole, verified, cut, kept within bounds."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import BadVolume, FetchCancelled, ModalityAbsent
from core.hub.cache import Cache
from core.imaging.nifti import read_header
from core.sources.protocol import Progress, Source
from core.workflows.one_time_point import DERIVED, one_time_point, prune
from tests.hub.conftest import source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, nifti, shard

SHAPE = (8, 7, 6)
SERIES = nifti(2, (*SHAPE, 5))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        images = {"ctp": SERIES, "dwi": nifti(1)}
        server.add_dataset(REPO, COMMIT, {"a.parquet": shard([Case("sub-1", images)], columns=("ctp", "dwi", "adc"))})
        yield server


@pytest.fixture
def source(hub: HubServer, tmp_path: Path) -> Source:
    return source_on(hub, tmp_path)


def test_a_time_point_is_cut_from_the_verified_series(hub: HubServer, source: Source, tmp_path: Path) -> None:
    told: list[Progress] = []
    found = one_time_point(source, Cache(tmp_path), "sub-1", "ctp", 3, told.append)
    assert (found.index, found.label) == (3, "time point 4 of 5")
    voxels = gzip.decompress(found.file.path.read_bytes())[352:]
    assert voxels == gzip.decompress(SERIES)[352:][3 * len(voxels) : 4 * len(voxels)]
    assert read_header(found.file.path).shape == SHAPE
    content = found.file.path.read_bytes()
    assert (found.file.bytes, found.file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert told[-1].what == found.label and told[-1].done == told[-1].total
    assert source.cached("sub-1") == {"ctp"}
    hub.reset_counts()
    again = one_time_point(source, Cache(tmp_path), "sub-1", "ctp", 3)
    assert again == found and hub.requests == 0
    assert one_time_point(source, Cache(tmp_path), "sub-1", "ctp").index == 2


def test_the_cache_lists_and_clears_time_points(source: Source, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = one_time_point(source, cache, "sub-1", "ctp", 0).file.path
    assert path.is_relative_to(tmp_path / DERIVED)
    assert path in {entry.path for entry in cache.entries()}
    cache.clear()
    assert not path.exists()
    assert one_time_point(source, cache, "sub-1", "ctp", 0).file.path == path


def test_what_is_not_there_is_said(source: Source, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(BadVolume, match="5 time points"):
        one_time_point(source, cache, "sub-1", "ctp", 5)
    with pytest.raises(ModalityAbsent):
        one_time_point(source, cache, "sub-1", "adc", 0)
    assert not list((tmp_path / DERIVED).rglob("*.gz"))


def test_a_stop_leaves_no_time_point(source: Source, tmp_path: Path) -> None:
    source.fetch("sub-1", ["ctp"])
    with pytest.raises(FetchCancelled):
        one_time_point(source, Cache(tmp_path), "sub-1", "ctp", 1, cancelled=lambda: True)
    assert not [path for path in (tmp_path / DERIVED).rglob("*") if path.is_file()]


def test_only_so_many_are_kept_and_those_in_use_stay(tmp_path: Path) -> None:
    files = []
    for number in range(6):
        path = tmp_path / f"{number % 2}" / f"t{number:05d}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (1000 + number, 1000 + number))
        files.append(path)
    with Cache(tmp_path / "cache").lease([files[1]]):
        assert prune(tmp_path, keep=files[0], most=4) == 1
        assert [path.exists() for path in files] == [True, True, False, True, True, True]
        assert prune(tmp_path, keep=files[0], most=1) == 3
    assert [path.exists() for path in files] == [True, True, False, False, False, False]
