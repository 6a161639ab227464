"""What an image costs, and what becomes of the wish to see it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModalityAbsent
from core.imaging.header import Header
from core.imaging.nifti import parse_head
from core.workflows.image_cost import (
    ASK_FETCH,
    BROWSER_DECODED,
    BROWSER_EDGE,
    ImageCost,
    Limits,
    NeedsConsent,
    OneTimePoint,
    Refused,
    Shows,
    decide_view,
    image_cost,
)
from tests.hub.conftest import source_on
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, REPO, Case, Options, nifti, shard

BASE = parse_head(nifti(0, packed=False))
MB = 1_000_000


def header(shape: tuple[int, ...], itemsize: int = 2, step_s: float | None = None) -> Header:
    count = 1
    for edge in shape:
        count *= edge
    return dataclasses.replace(BASE, shape=shape, raw_bytes=itemsize * count, step_s=step_s)


def test_a_small_image_is_shown_at_once() -> None:
    assert decide_view(ImageCost("dwi", 3 * MB, None), Limits()) == Shows()
    assert decide_view(ImageCost("dwi", 0, header((256, 256, 40))), Limits()) == Shows()


def test_a_large_one_is_told_with_its_numbers() -> None:
    view = decide_view(ImageCost("cta", 130 * MB, header((512, 512, 800))), Limits())
    assert view == NeedsConsent("CTA: 130.0 MB to fetch, 419.4 MB decoded (512 × 512 × 800 of 2 × 2 × 2 mm)")
    assert isinstance(decide_view(ImageCost("cta", 0, header((512, 512, 800))), Limits()), NeedsConsent)
    unknown = decide_view(ImageCost("cta", ASK_FETCH, None), Limits())
    assert unknown == NeedsConsent("CTA: 16.0 MB to fetch, decoded size known after that")
    assert isinstance(decide_view(ImageCost("dwi", None, None), Limits()), NeedsConsent)


def test_a_series_is_never_shown_whole() -> None:
    cost = ImageCost("ctp", 200 * MB, header((512, 512, 16, 60), step_s=1.5))
    view = decide_view(cost, Limits())
    assert isinstance(view, OneTimePoint) and view.ask
    assert (view.series.count, view.series.step_s, view.series.default) == (60, 1.5, 30)
    assert "60 time points" in view.sentence and "503.3 MB decoded" in view.sentence
    here = decide_view(dataclasses.replace(cost, fetch_bytes=0), Limits())
    assert isinstance(here, OneTimePoint) and not here.ask and "already here" in here.sentence
    assert isinstance(decide_view(ImageCost("ctp", 5 * MB, None), Limits()), NeedsConsent)


@pytest.mark.parametrize(
    ("cost", "limits", "words"),
    [
        (ImageCost("cta", 10, header((512, 512, 2000))), Limits(), "1049 MB decoded"),
        (ImageCost("ctp", 10, header((1024, 1024, 600, 2))), Limits(), "1258 MB decoded"),
        (ImageCost("cta", 10, header((2049, 4, 4))), Limits(), "at most 2048"),
        (ImageCost("cta", 30 * MB, None), Limits(disk_free=20 * MB), "30.0 MB of disk, 20.0 MB are free"),
        (ImageCost("ctp", 10 * MB, header((512, 512, 16, 9))), Limits(disk_free=17 * MB), "18.4 MB of disk"),
        (ImageCost("dwi", 1, None), Limits(disk_free=-5), "0.0 MB are free"),
    ],
)
def test_what_cannot_be_held_is_refused_with_numbers_and_a_next_step(
    cost: ImageCost, limits: Limits, words: str
) -> None:
    view = decide_view(cost, limits)
    assert isinstance(view, Refused)
    assert words in str(view.error) and view.error.hint


def test_what_is_here_needs_no_disk() -> None:
    assert decide_view(ImageCost("dwi", 0, header((64, 64, 20))), Limits(disk_free=0)) == Shows()


@given(
    fetch=st.none() | st.integers(0, 10**10),
    shape=st.none() | st.lists(st.integers(1, 3000), min_size=3, max_size=4),
    free=st.none() | st.integers(0, 10**11),
)
def test_nothing_large_is_ever_shown_without_a_word(
    fetch: int | None, shape: list[int] | None, free: int | None
) -> None:
    cost = ImageCost("cta", fetch, header(tuple(shape)) if shape else None)
    view = decide_view(cost, Limits(disk_free=free))
    fits = cost.header is None or (
        (cost.screen_bytes or 0) <= BROWSER_DECODED and max(cost.header.grid) <= BROWSER_EDGE
    )
    room = free is None or (fetch or 0) <= free
    if isinstance(view, Shows):
        assert fits and room and fetch is not None and fetch < ASK_FETCH and cost.series is None
    assert isinstance(view, Refused) or (fits and room)
    assert cost.series is None or isinstance(view, OneTimePoint | Refused)


def serve(files: dict[str, bytes]) -> HubServer:
    hub = HubServer()
    hub.add_dataset(REPO, COMMIT, dict(files))
    return hub


def test_only_what_may_be_large_is_asked_for_its_header(tmp_path: Path) -> None:
    images = {"dwi": nifti(1), "ctp": nifti(2, (8, 8, 8, 4))}
    with serve({"a.parquet": shard([Case("sub-1", images)], columns=("dwi", "adc", "ctp"))}) as hub:
        source = source_on(hub, tmp_path)
        source.listing()
        hub.reset_counts()
        small = image_cost(source, "sub-1", "dwi")
        assert (small.header, hub.requests) == (None, 0) and small.fetch_bytes
        series = image_cost(source, "sub-1", "ctp")
        assert series.series is not None and series.series.count == 4 and hub.requests == 1
        assert series.screen_bytes == 352 + 512
        with pytest.raises(ModalityAbsent):
            image_cost(source, "sub-1", "adc")
        source.fetch("sub-1", ["dwi"])
        here = image_cost(source, "sub-1", "dwi")
        assert here.fetch_bytes == 0 and here.decoded_bytes == 352 + 16 * 16 * 20


def test_a_header_that_does_not_come_alone_leaves_the_decoded_size_open(tmp_path: Path) -> None:
    images = {"ctp": nifti(2, (96, 96, 64, 8))}
    with serve({"a.parquet": shard([Case("sub-1", images)], Options(compression="ZSTD"), ("ctp",))}) as hub:
        cost = image_cost(source_on(hub, tmp_path), "sub-1", "ctp")
    assert cost.header is None and cost.decoded_bytes is None
    assert isinstance(decide_view(cost, Limits()), NeedsConsent)
