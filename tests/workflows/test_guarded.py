"""What gets images goes through the door: recorded, refused with numbers, and never where all is here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import FetchCancelled, HubError, OverBudget, Quarantined
from core.hub.cache import Cache
from core.resources.cost import Step
from core.resources.guard import Guard
from core.resources.safemode import read_entries
from core.segmentation.engine import load_engine
from core.sources.local import LocalSource
from core.sources.protocol import Source
from core.sources.sample import SampleSource
from core.workflows import guarded
from core.workflows.guarded import Visit, fetch, recorded_case
from core.workflows.one_time_point import one_time_point
from core.workflows.segment_case import fetch_inputs
from tests.hub.conftest import source_on
from tests.hubserver import Fault, HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, nifti, shard
from tests.workflows.doors import AMPLE, door, refusals, steps

NAMES = ("dwi", "adc")
JOB = Step("engine:test", "segmenting", 470.0)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        images = {"ctp": nifti(2, (8, 7, 6, 5)), "dwi": nifti(1), "adc": nifti(3)}
        server.add_dataset(REPO, COMMIT, {"a.parquet": shard([Case("sub-1", images)], columns=("ctp", "dwi", "adc"))})
        yield server


@pytest.fixture
def source(hub: HubServer, tmp_path: Path) -> Source:
    return source_on(hub, tmp_path / "cache")


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with door(tmp_path) as made:
        yield made


def test_a_fetch_is_recorded_once_and_nothing_is_where_all_is_here(guard: Guard, source: Source) -> None:
    known = source.case("sub-1")
    word = recorded_case(guard.settings, "sub-1", source.spec)
    assert "sub-1" not in word
    step = guarded.fetch_needs(guard.settings, source, "sub-1", (*NAMES, "lesion_mask"), known)
    assert step is not None and step.disk_mb == (known.sizes["dwi"] + known.sizes["adc"]) / 1e6
    assert not step.heavy
    found = fetch(Visit(guard), source, "sub-1", (*NAMES, "lesion_mask"), known=known)
    assert set(found.files) == set(NAMES)
    told = [
        ("phase begin", "fetch", "fetch", "visitor", word),
        ("phase end", "fetch", "fetch", "visitor", "done"),
    ]
    assert steps(guard) == told
    assert fetch(Visit(guard), source, "sub-1", (*NAMES, "lesion_mask"), known=known).from_cache
    assert steps(guard) == told
    assert guard.admission.places() == ()


def test_an_ordinary_error_is_the_phases_end_and_no_abnormal_one(hub: HubServer, guard: Guard, source: Source) -> None:
    known = source.case("sub-1")
    hub.faults.add(Fault("status", where="parquet", times=None, status=404))
    with pytest.raises(HubError) as caught:
        fetch(Visit(guard), source, "sub-1", NAMES, known=known)
    assert [(event, outcome) for event, *_, outcome in steps(guard)][1] == ("phase end", type(caught.value).__name__)
    assert read_entries(guard.settings.state_dir) == ()


def test_what_the_disk_cannot_hold_is_refused_before_a_byte(hub: HubServer, source: Source, tmp_path: Path) -> None:
    known = replace(source.case("sub-1"), sizes={"dwi": 3_000_000_000, "adc": 1})
    hub.reset_counts()
    with door(tmp_path, replace(AMPLE, disk_free_mb=2000.0, disk_limit_mb=3000.0)) as guard:
        with pytest.raises(OverBudget, match=r"fetching needs 3\.0 GB of disk, 1\.6 GB is free of 3\.0 GB"):
            fetch(Visit(guard), source, "sub-1", NAMES, known=known)
        assert hub.requests == 0
        assert steps(guard) == [] and refusals(guard) == 1


def test_sizes_that_nobody_told_are_asked_for(source: Source, tmp_path: Path) -> None:
    needed = source.case("sub-1").sizes["dwi"] / 1e6
    tight = replace(AMPLE, disk_free_mb=needed / 2, disk_limit_mb=1.0, disk_scale_mb=0.0)
    with door(tmp_path, tight) as guard:
        with pytest.raises(OverBudget, match="of disk"):
            fetch(Visit(guard), source, "sub-1", ["dwi"])
        with pytest.raises(OverBudget, match="of disk"):
            fetch_inputs(source, "sub-1", load_engine("diffusion").info, visit=Visit(guard))
        assert steps(guard) == [] and refusals(guard) == 2
    with door(tmp_path, replace(tight, disk_free_mb=2 * needed)) as guard:
        assert fetch(Visit(guard), source, "sub-1", ["dwi", "truth"]).files


def test_what_the_app_gets_by_itself_never_waits(source: Source, tmp_path: Path) -> None:
    with door(tmp_path, replace(AMPLE, limit_mb=1000.0)) as guard:
        me, told = Visit(guard, automatic=True), list[str]()
        with guard.enter(JOB, "engine"), pytest.raises(OverBudget, match="RAM"):
            fetch(replace(me, waiting=told.append), source, "sub-1", NAMES)
        assert told == [] and refusals(guard) == 0
        assert fetch(me, source, "sub-1", NAMES).files
        assert [owner for _, phase, _, owner, _ in steps(guard) if phase == "fetch"] == ["app", "app"]


def test_safe_mode_stops_it_and_lets_a_person_begin(guard: Guard, source: Source) -> None:
    word = recorded_case(guard.settings, "sub-1", source.spec)
    assert guard.breaker is not None
    for _ in range(2):
        guard.breaker.note_end("fetch", word, "out of memory")
    with pytest.raises(Quarantined):
        fetch(Visit(guard, automatic=True), source, "sub-1", NAMES)
    assert steps(guard) == []
    assert fetch(Visit(guard), source, "sub-1", NAMES).files
    assert guard.breaker.state().quarantined == ()


def test_who_is_cancelled_while_it_waits_ends_as_a_stopped_transfer(source: Source, tmp_path: Path) -> None:
    with door(tmp_path, replace(AMPLE, limit_mb=1000.0)) as guard:
        told, stop = list[str](), threading.Event()

        def hear(sentence: str) -> None:
            told.append(sentence)
            stop.set()

        with guard.enter(JOB, "engine"), pytest.raises(FetchCancelled):
            fetch(Visit(guard, "me", hear), source, "sub-1", NAMES, cancelled=stop.is_set)
        assert told[0].startswith("you are 1st in line: needs 50 MB of RAM, ")
        assert len(guard.admission.places()) == 0
        assert {phase for _, phase, *_ in steps(guard)} == {"engine"}


def test_a_synthetic_case_is_made_behind_the_door_and_a_folder_needs_none(guard: Guard, tmp_path: Path) -> None:
    sample = SampleSource(tmp_path / "cache")
    for _ in range(2):
        files = fetch(Visit(guard), sample, "sample-01", ("dwi", "cta")).files
    assert [(event, phase, kind) for event, phase, kind, *_ in steps(guard)] == [
        ("phase begin", "sample", "sample"), ("phase end", "sample", "sample"),
    ]  # fmt: skip
    (tmp_path / "own" / "c1").mkdir(parents=True)
    (tmp_path / "own" / "c1" / "dwi.nii.gz").write_bytes(files["dwi"].path.read_bytes())
    assert fetch(Visit(guard), LocalSource(tmp_path / "own"), "c1", ("dwi",)).files
    assert len(steps(guard)) == 2


def test_a_time_point_is_fetched_and_then_cut_and_neither_again(guard: Guard, source: Source, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = one_time_point(source, cache, "sub-1", "ctp", 1, visit=Visit(guard))
    told = steps(guard)
    assert [(event, phase) for event, phase, *_ in told] == [
        ("phase begin", "fetch"), ("phase end", "fetch"), ("phase begin", "decode"), ("phase end", "decode"),
    ]  # fmt: skip
    assert one_time_point(source, cache, "sub-1", "ctp", 1, visit=Visit(guard)) == first
    assert steps(guard) == told
