"""A job says exactly where its outputs lie, and survives JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, CaseNotFound
from core.segmentation.job import Job


def job(folder: Path, **changes: object) -> Job:
    values: dict[str, object] = {
        "job_id": "j-1",
        "case_id": "sub-stroke0001",
        "engine": "diffusion",
        "inputs": {"dwi": folder / "d.nii.gz", "adc": folder / "a.nii.gz"},
        "parameters": {"adc_core": 600},
        "out_dir": folder / "out",
        "source": "sample",
    }
    return Job(**{**values, **changes})  # type: ignore[arg-type]


def test_outputs_have_bids_derivative_names(tmp_path: Path) -> None:
    made = job(tmp_path)
    stem = "sub-stroke0001_space-orig_label-L_desc-diffusion"
    assert made.mask_path == tmp_path / "out" / f"{stem}_mask.nii.gz"
    assert made.core_path == tmp_path / "out" / f"{stem}core_mask.nii.gz"
    assert made.probability_path == tmp_path / "out" / f"{stem}_probseg.nii.gz"
    assert made.sidecar_path == tmp_path / "out" / f"{stem}_mask.json"
    assert len(set(made.outputs)) == 5 and made.outputs[-1] == made.sidecar_path
    assert job(tmp_path, case_id=None).mask_path.name.startswith("case_space-orig")


@given(
    case_id=st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,30}", fullmatch=True)),
    parameters=st.dictionaries(st.text(max_size=8), st.floats(allow_nan=False), max_size=4),
    source=st.one_of(st.none(), st.text(max_size=20)),
)
def test_json_round_trip(case_id: str | None, parameters: dict[str, float], source: str | None) -> None:
    made = job(Path("/data"), case_id=case_id, parameters=parameters, source=source)
    assert Job.from_json(made.to_json()) == made


def test_words_models_and_labels_survive_json_too(tmp_path: Path) -> None:
    made = job(tmp_path, parameters={"fast": "yes", "n": 2}, model=tmp_path / "model", labels={"dwi": "the DWI"})
    again = Job.from_json(made.to_json())
    assert again == made and again.parameters == {"fast": "yes", "n": 2.0}
    assert again.model == tmp_path / "model" and again.labels == {"dwi": "the DWI"}
    assert job(tmp_path).model is None and job(tmp_path).labels == {}


@pytest.mark.parametrize("job_id", ["", "a/b", "..", "-x", "a b", "x" * 65])
def test_an_id_that_could_leave_the_folder_is_refused(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(BadInput):
        job(tmp_path, job_id=job_id)


def test_case_and_engine_names_that_could_leave_the_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseNotFound):
        job(tmp_path, case_id="../x")
    with pytest.raises(BadInput):
        job(tmp_path, engine="../x")


def test_an_output_never_replaces_an_input(tmp_path: Path) -> None:
    taken = job(tmp_path).mask_path
    with pytest.raises(BadInput, match="overwrite"):
        job(tmp_path, inputs={"dwi": taken})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"job_id": 3}'])
def test_a_broken_job_file_is_a_clear_error(text: str) -> None:
    with pytest.raises(BadInput):
        Job.from_json(text)
