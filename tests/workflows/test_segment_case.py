"""From files to a mask, a score and a remembered result; and every way in which it may not begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput, BadVolume, GridMismatch, JobCancelled, ModalityAbsent, OverBudget
from core.imaging.nifti import read_mask, write_volume
from core.imaging.volume import Volume
from core.resources.budget import decide
from core.resources.ledger import Ledger
from core.resources.record import read_record
from core.segmentation.engine import load_engine
from core.segmentation.kept import Results
from core.settings import DEFAULT_SOURCE, Settings, load_settings
from core.sources.local import LocalSource
from core.sources.sample import SampleSource
from core.workflows import segment_case as flow
from core.workflows.asking import Ask

ENGINE = load_engine("diffusion").info


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("STROKESCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("STROKESCOPE_STATE_DIR", str(tmp_path / "state"))
    return load_settings()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    return SampleSource(tmp_path_factory.mktemp("sample"))


def test_segment_score_and_remember(settings: Settings, sample: SampleSource) -> None:
    fetched = flow.fetch_inputs(sample, "sample-05", ENGINE, ("lesion_mask",))
    inputs = {n: fetched.files[n] for n in ENGINE.inputs}
    results = Results(settings.cache_dir)
    ask = Ask("diffusion", inputs, case_id="sample-05", source="sample")
    folder = ask.folder(results)
    assert results.find(folder) is None
    phases: list[float] = []
    done = flow.segment(settings, ask, folder, lambda _, f: phases.append(f))
    assert phases == sorted(phases)
    assert done.mask.parent == folder
    results.keep(folder, done)
    assert results.find(folder) == done
    scored = flow.score(settings, done.mask, fetched.files["lesion_mask"].path, folder / "scores" / "o.nii.gz")
    assert scored.score.dice > 0.7
    assert scored.overlap.is_file()
    done.mask.unlink()
    assert results.find(folder) is None


def test_a_sidecar_names_no_folder_of_this_machine(settings: Settings, sample: SampleSource, tmp_path: Path) -> None:
    fetched = flow.fetch_inputs(sample, "sample-02", ENGINE)
    ask = Ask("diffusion", fetched.files, case_id="c1", source="local:/home/jane-doe/cases")
    done = flow.segment(settings, ask, tmp_path / "out")
    assert "jane-doe" not in done.sidecar.read_text()
    assert str(tmp_path) not in done.sidecar.read_text()


def test_a_case_without_adc_is_refused(tmp_path: Path, sample: SampleSource) -> None:
    dwi = sample.fetch("sample-01", ["dwi"]).files["dwi"].path
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / "dwi.nii.gz").write_bytes(dwi.read_bytes())
    with pytest.raises(ModalityAbsent, match="ADC"):
        flow.fetch_inputs(LocalSource(tmp_path), "c1", ENGINE)


def test_given_files_are_checked(tmp_path: Path, sample: SampleSource) -> None:
    dwi = sample.fetch("sample-01", ["dwi"]).files["dwi"].path
    with pytest.raises(BadInput, match="ADC"):
        flow.given_inputs(ENGINE, {"dwi": dwi})
    (tmp_path / "adc.nii.gz").write_bytes(dwi.read_bytes()[:-1000])
    with pytest.raises(BadVolume):
        flow.given_inputs(ENGINE, {"dwi": dwi, "adc": tmp_path / "adc.nii.gz"})


def test_a_small_container_refuses_before_anything_runs(
    settings: Settings, sample: SampleSource, tmp_path: Path
) -> None:
    small = settings.model_copy(update={"memory_limit": 100 * 2**20})
    fetched = flow.fetch_inputs(sample, "sample-01", ENGINE)
    with pytest.raises(OverBudget, match="GB"):
        flow.segment(small, Ask("diffusion", fetched.files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cancelled_job_leaves_nothing(settings: Settings, sample: SampleSource, tmp_path: Path) -> None:
    fetched = flow.fetch_inputs(sample, "sample-01", ENGINE)
    with pytest.raises(JobCancelled):
        flow.segment(settings, Ask("diffusion", fetched.files), tmp_path / "out", cancelled=lambda: True)
    assert not list((tmp_path / "out").glob("**/*.nii.gz"))


def test_masks_on_different_grids_are_not_compared(settings: Settings, sample: SampleSource, tmp_path: Path) -> None:
    truth = sample.fetch("sample-01", ["lesion_mask"]).files["lesion_mask"].path
    other = tmp_path / "other.nii.gz"
    write_volume(Volume(np.ones((9, 9, 9), np.float32), np.eye(4)), other, "uint8")
    with pytest.raises(GridMismatch):
        flow.score(settings, other, truth, tmp_path / "o.nii.gz")
    assert not (tmp_path / "o.nii.gz").exists()


def test_admission_leaves_a_reserve() -> None:
    assert decide(100, used_mb=100, limit_mb=1000).admitted
    assert not decide(600, used_mb=100, limit_mb=1000).admitted
    assert decide(100, used_mb=900, limit_mb=1000).free_mb == 0


def test_the_lesion_is_counted_so_that_an_ordinary_mask_is_not_priced_as_noise(
    sample: SampleSource, tmp_path: Path
) -> None:
    truth = sample.fetch("sample-01", ["lesion_mask"]).files["lesion_mask"].path
    count = flow.foreground_of([truth, truth])
    assert count is not None
    assert 0 < count < flow.voxels_of(truth) / 5
    assert count == 2 * int(read_mask(truth).data.sum())
    (tmp_path / "cut.nii.gz").write_bytes(truth.read_bytes()[:-100])
    assert flow.foreground_of([truth, tmp_path / "cut.nii.gz"]) is None


def test_the_record_names_cases_of_public_cohorts_alone(settings: Settings) -> None:
    assert flow.recorded_case(settings, "sample-01", "sample") == "sample-01"
    assert flow.recorded_case(settings, "sub-stroke0001", f"{DEFAULT_SOURCE}@abc") == "sub-stroke0001"
    for source in ("local:/cases", "hub:somebody/private@1", None):
        assert "Meier" not in flow.recorded_case(settings, "Meier-Anna", source)
    assert flow.recorded_case(settings, None, None) == ""


def test_a_job_leaves_a_record_and_a_lesson(settings: Settings, sample: SampleSource, tmp_path: Path) -> None:
    fetched = flow.fetch_inputs(sample, "sample-01", ENGINE)
    ask = Ask("diffusion", fetched.files, case_id="sample-01", source="sample")
    done = flow.segment(settings, ask, tmp_path / "out")
    events = read_record(settings.state_dir).events
    assert [(e.event, e.text("phase"), e.text("case")) for e in events] == [
        (name, "engine", "sample-01") for name in ("phase begin", "worker end", "phase end")
    ]
    (entry,) = Ledger(settings.state_dir).entries()
    assert (entry.kind, entry.used_mb) == ("engine:diffusion", round(done.peak_rss_mb, 1))
