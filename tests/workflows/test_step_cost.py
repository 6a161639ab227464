"""What a case would cost: numbers and sentences, with nothing fetched, made or begun."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.resources.cost import Step
from core.resources.guard import Guard
from core.segmentation.engine import load_engine
from core.sources.protocol import Source
from core.sources.sample import SampleSource
from core.workflows.guarded import Visit, fetch
from core.workflows.step_cost import ABSENT, FITS, HERE, CostLine, estimate, hopeless, judged, price
from tests.hub.conftest import source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, nifti, shard
from tests.workflows.doors import AMPLE, door, steps

ENGINE = load_engine("diffusion")


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with door(tmp_path) as made:
        yield made


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        images = {"ctp": nifti(2, (8, 7, 6, 5)), "dwi": nifti(1), "adc": nifti(3)}
        columns = ("ctp", "dwi", "adc", "flair")
        server.add_dataset(REPO, COMMIT, {"a.parquet": shard([Case("sub-1", images)], columns=columns)})
        yield server


@pytest.fixture
def source(hub: HubServer, tmp_path: Path) -> Source:
    return source_on(hub, tmp_path / "cache")


def named(lines: tuple[CostLine, ...]) -> dict[str, CostLine]:
    return {line.what: line for line in lines}


def test_a_case_on_the_hub_line_by_line(guard: Guard, source: Source) -> None:
    known = source.case("sub-1")
    lines = named(estimate(source, "sub-1", ("dwi", "flair"), ENGINE, guard))
    assert lines["fetching DWI"].fetch_bytes == known.sizes["dwi"]
    assert lines["fetching DWI"].verdict == FITS and lines["fetching DWI"].fits
    assert lines["fetching FLAIR"].verdict == ABSENT and lines["fetching FLAIR"].fits is None
    assert lines["fetching ADC"].fetch_bytes == known.sizes["adc"]
    assert "the static view of ADC" not in lines
    segmenting = lines["segmenting with diffusion"]
    assert segmenting.memory_mb == pytest.approx(1.25 * ENGINE.info.predict_memory_mb(16 * 16 * 10), rel=0.05)
    assert segmenting.seconds is not None and segmenting.seconds > 1
    assert "scoring" not in lines
    assert source.cached("sub-1") == frozenset() and steps(guard) == []
    fetch(Visit(guard), source, "sub-1", ("dwi",), known=known)
    assert named(estimate(source, "sub-1", ("dwi",), None, guard))["fetching DWI"].verdict == HERE


def test_a_series_is_cut(guard: Guard, source: Source) -> None:
    lines = named(estimate(source, "sub-1", ("ctp",), None, guard))
    assert set(lines) == {"fetching CTP", "taking out the time point", "the static view of CTP"}


def test_a_synthetic_case_is_priced_without_being_made(guard: Guard, tmp_path: Path) -> None:
    sample = SampleSource(tmp_path / "cache")
    lines = named(estimate(sample, "sample-01", ("dwi",), ENGINE, guard))
    assert set(lines) == {"making the synthetic case", "segmenting with diffusion", "scoring"}
    assert all(line.fits and line.fetch_bytes == 0 for line in lines.values())
    assert sample.cached("sample-01") == frozenset()
    sample.fetch("sample-01", ["dwi"])
    after = named(estimate(sample, "sample-01", ("dwi",), ENGINE, guard))
    assert after["fetching DWI"].verdict == HERE
    assert after["segmenting with diffusion"] == lines["segmenting with diffusion"]


def test_a_refusal_has_its_numbers_and_what_would_help(tmp_path: Path) -> None:
    job = Step("engine:test", "segmenting", 2000.0)
    with door(tmp_path, replace(AMPLE, used_mb=600.0, limit_mb=3000.0)) as guard:
        verdict, fits = judged(guard, job)
        assert not fits and hopeless(guard, job)
        assert verdict.startswith("needs 2.5 GB of RAM, 1.5 GB is free of 3.0 GB: ")
        later = replace(job, memory_mb=1300.0)
        assert not judged(guard, later)[1] and not hopeless(guard, later)
        needs, free = price(guard, later)
        assert (round(needs), round(free)) == (1625, 1500)
    with door(tmp_path / "b", replace(AMPLE, disk_free_mb=100.0, disk_limit_mb=1000.0)) as guard:
        assert not hopeless(guard, Step("fetch", "fetching", 1.0, 800.0))
        assert hopeless(guard, Step("fetch", "fetching", 1.0, 900.0))


def test_what_was_learnt_counts(guard: Guard) -> None:
    step = Step("engine:test", "segmenting", 100.0)
    before = price(guard, step)[0]
    for _ in range(5):
        guard.ledger.note("engine:test", 100.0, 200.0)
    assert price(guard, step)[0] - before == pytest.approx(125.0)
