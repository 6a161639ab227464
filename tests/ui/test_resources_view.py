"""The Resources page: right numbers, plain words, what matters first, a cache that is cleared in two steps."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.hub.entries import CacheEntry
from core.resources.beats import Vitals
from core.resources.recorder import Recorder
from core.resources.runs import Ending, RunLog, judge
from core.segmentation.kept import Results
from core.segmentation.model_store import ModelStore
from core.ui.cache_view import cache_rows, in_words, made_rows, of_rows
from tests.ui.kept_results import keep
from tests.ui.pages import open_app, page, words


def body(folder: str) -> None:
    """What pages/3_Resources.py does, over one folder."""
    from pathlib import Path

    import streamlit as st

    from core.hub.cache import Cache
    from core.resources.disk import Usage
    from core.resources.probe import Sampler
    from core.segmentation.kept import Results
    from core.settings import Settings
    from core.ui import resources_view

    root = Path(folder)
    settings = Settings(cache_dir=root / "cache", state_dir=root / "state", memory_limit="1G", hf_token="hf_secret")
    if "sampler" not in st.session_state:
        st.session_state.sampler = Sampler(settings, measure=lambda s: Usage(2_000_000, 1_000_000), gpus=lambda: ())
        st.session_state.sampler.refresh()
    resources_view.draw(settings, st.session_state.sampler, Cache(settings.cache_dir), Results(settings.cache_dir))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppTest]:
    yield AppTest.from_function(body, default_timeout=20, args=(str(tmp_path),))


def keep_images(folder: Path) -> list[Path]:
    paths = [folder / "cache" / "sample" / "1" / case / f"{name}.nii.gz" for case in "ab" for name in ("adc", "dwi")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    return paths


def keep_a_result(folder: Path) -> Path:
    path = folder / "cache" / "results" / "abc" / "mask.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 1000)
    return path


def shown(app: AppTest) -> str:
    words = [*app.caption, *app.info, *app.warning, *app.success, *app.error, *app.markdown]
    return "\n".join([str(element.value) for element in words] + [element.proto.body for element in app.get("html")])


def test_an_empty_container(app: AppTest) -> None:
    app.run()
    assert not app.exception
    text = shown(app)
    assert "of 1.00 GiB (STROKESCOPE_MEMORY_LIMIT)" in text
    assert "No earlier run is recorded here." in text
    assert "There is no supervisor" in text
    assert "The cache is empty." in text
    assert "hf_secret" not in text


def test_previous_run_in_words(app: AppTest, tmp_path: Path) -> None:
    log = RunLog(tmp_path / "state", clock=lambda: 0.0)
    log.end(log.start(), judge(-9, oom_kills=1), -9)
    app.run()
    assert "ran out of memory (confirmed)" in app.warning[0].value
    assert "Earlier runs" in [heading.value for heading in app.subheader]


def test_an_end_that_nobody_knows_is_drawn_at_the_top(app: AppTest, tmp_path: Path) -> None:
    now = iter(range(1000))
    gone = Recorder(tmp_path / "state", role="app", run="a" * 12, clock=lambda: float(next(now)))
    gone.record("run start", {"phase": ""})
    for number in range(5):
        gone.beat(Vitals(number * 1e8, 1e9, disk_used=1e9, disk_limit=5e10), tell=False)
    gone.close(30)
    said = RunLog(tmp_path / "state", recorder=gone)
    said.end("a" * 12, Ending("unknown", "none", ("there is no stop record",)))
    app.run()
    assert not app.exception
    assert "Nobody knows what ended" in app.warning[0].value
    assert len(app.get("vega_lite_chart")) == 5


def test_the_flight_record_is_a_table(app: AppTest, tmp_path: Path) -> None:
    log = RunLog(tmp_path / "state", clock=lambda: 0.0)
    run = log.start()
    log.recorder.note("phase begin", phase="decode", case="sample-01", name="secret words", predicted_mb=120.5)
    log.end(run, judge(-9, oom_kills=1), -9)
    app.run()
    (rows,) = (frame.value.to_dict("records") for frame in app.dataframe if "verdict" in frame.value.columns)
    assert [row["event"] for row in rows] == ["run end", "phase begin", "run start"]
    assert rows[0]["verdict"] == "out of memory (confirmed)"
    assert "ended by SIGKILL; the kernel counted 1 kill(s) for memory" in rows[0]["told"]
    assert (rows[1]["step"], rows[1]["case"], rows[1]["told"]) == ("decode", "sample-01", "predicted_mb 120.5")
    assert {row["run"] for row in rows} == {run[:6]}


def test_a_bucket_that_hangs_is_never_asked_by_a_page(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flight = world / "bucket" / "flight"
    flight.mkdir(parents=True)
    os.mkfifo(flight / "000000000000001-abc-1-1.json")  # a read of it never ends
    monkeypatch.setenv("STROKESCOPE_PERSIST_DIR", str(world / "bucket"))
    before = set(threading.enumerate())
    shown = page(open_app(), "3_Resources.py")
    assert not shown.exception
    assert "No earlier run is recorded here." in words(shown)
    assert [t.name for t in set(threading.enumerate()) - before if t.name.startswith("asks")] == []


def test_the_charts_are_vega_and_no_plotly(app: AppTest) -> None:
    app.run()
    assert len(app.get("vega_lite_chart")) == 4
    assert len(app.get("plotly_chart")) == 0


def test_the_supervisor_is_said(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKESCOPE_SUPERVISED", "1")
    app.run()
    assert "The supervisor is there" in shown(app)


def test_the_cache_is_cleared_in_two_steps(app: AppTest, tmp_path: Path) -> None:
    paths = [*keep_images(tmp_path), keep_a_result(tmp_path)]
    app.run()
    assert "4 images and 1 segmentations, 5.00 kB" in shown(app)
    app.button(key="resources-clear").click().run()
    assert all(path.exists() for path in paths)
    app.button(key="resources-clear-no").click().run()
    assert all(path.exists() for path in paths)
    app.button(key="resources-clear").click().run()
    app.button(key="resources-clear-yes").click().run()
    assert not app.exception
    assert not any(path.exists() for path in paths)
    assert "Removed 5.00 kB." in shown(app)
    assert "The cache is empty." in shown(app)
    app.run()
    assert "Removed" not in shown(app)


def test_cache_rows_are_cases(tmp_path: Path) -> None:
    from core.hub.cache import Cache

    keep_images(tmp_path)
    rows = cache_rows(Cache(tmp_path / "cache").entries())
    assert [(row["source"], row["case"], row["images"]) for row in rows] == [
        ("sample", "a", "adc, dwi"),
        ("sample", "b", "adc, dwi"),
    ]


def test_rows_say_what_is_unfinished_and_stand_for_their_entries() -> None:
    def entry(case: str, modality: str, unfinished: bool = False) -> CacheEntry:
        return CacheEntry("hub:a/b@1", case, modality, Path(case, modality), 10**6, 60.0, unfinished)

    entries = [entry("a", "dwi"), entry("a", "cta", True), entry("b", "dwi")]
    first, second = cache_rows(entries)
    assert (first["case"], first["images"], first["unfinished"], first["MB"]) == ("a", "dwi", "cta", 2.0)
    assert of_rows(entries, [second]) == [entries[2]]
    told = in_words(entries, 1, 5 * 10**5, 4 * 10**9)
    assert told == "2 images, 1 unfinished and 1 segmentations, 3.50 MB of 4.00 GB that the cache may hold."


def test_segmentations_and_models_have_names_in_words(app: AppTest, tmp_path: Path) -> None:
    key = keep(tmp_path, seed=5.0)
    keep_a_result(tmp_path)
    model = tmp_path / "cache" / "models" / "someone--tiny" / ("a" * 40) / "weights.onnx"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"x" * 2_000_000)
    results, store = Results(tmp_path / "cache"), ModelStore(tmp_path / "cache" / "models")
    rows = made_rows(results.entries(), store.entries())
    assert [(row["what"], row["case"]) for row in rows] == [
        ("diffusion 1.1 · z_seed 5", "sample-01"),
        ("unfinished segmentation", ""),
        (f"model someone/tiny@{'a' * 12}", ""),
    ]
    app.run()
    assert "2 segmentations and 1 model" in shown(app)
    results.hold("somebody", [key])
    app.button(key="resources-clear").click().run()
    app.button(key="resources-clear-yes").click().run()
    assert not model.exists() and [entry.key for entry in results.entries()] == [key]


def test_a_list_of_cases_is_told_apart_and_goes_with_the_rest(app: AppTest, tmp_path: Path) -> None:
    keep_images(tmp_path)
    record = tmp_path / "cache" / "footers" / "a--b" / ("1" * 40) / "tree.json"
    record.parent.mkdir(parents=True)
    record.write_bytes(b"x" * 500)
    app.run()
    assert "4 images, 1 list of cases and 0 segmentations, 4.50 kB" in shown(app)
    app.button(key="resources-clear").click().run()
    assert "4 images, 1 list of cases and 0 segmentations (4.50 kB)" in app.warning[-1].value
    app.button(key="resources-clear-yes").click().run()
    assert not app.exception
    assert "Removed 4.50 kB." in shown(app)
    assert not record.exists()
