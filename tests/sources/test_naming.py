"""Names: what a file is, and which of several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.case import MODALITIES
from core.sources.naming import choose, modality_of

KNOWN = {
    "sub-stroke0001_ses-01_ncct.nii.gz": "ncct",
    "sub-stroke0001_ses-01_space-ncct_cta.nii.gz": "cta",
    "sub-stroke0001_ses-01_space-ncct_ctp.nii.gz": "ctp",
    "derivatives/sub-stroke0001/ses-01/perfusion-maps/sub-stroke0001_ses-01_space-ncct_tmax.nii.gz": "tmax",
    "sub-stroke0001_ses-01_mtt.nii.gz": "mtt",
    "sub-stroke0001_ses-01_cbf.nii.gz": "cbf",
    "sub-stroke0001_ses-01_cbv.nii.gz": "cbv",
    "sub-stroke0001_ses-02_space-ncct_dwi.nii.gz": "dwi",
    "sub-stroke0001_ses-02_space-ncct_adc.nii.gz": "adc",
    "sub-stroke0001_ses-02_space-ncct_lesion-msk.nii.gz": "lesion_mask",
    "sub-stroke0001_ses-01_space-ncct_lvo-msk.nii.gz": "lvo_mask",
    "sub-stroke0001_ses-01_space-ncct_cow-msk.nii.gz": "cow_segmentation",
    "sub-strokecase0001_ses-0001_msk.nii.gz": "lesion_mask",
    "sub-strokecase0001_ses-0001_flair.nii.gz": "flair",
    "sub-M2001_ses-1_FLAIR.nii.gz": "flair",
    "sub-M2001_ses-1_desc-lesion_mask.nii.gz": "lesion_mask",
    "sub-01_label-lesion_mask.nii.gz": "lesion_mask",
    "dwi.nii.gz": "dwi",
    "DWI.nii": "dwi",
    "adc.nii.gz": "adc",
    "lesion_mask.nii.gz": "lesion_mask",
    "lvo_mask.nii.gz": "lvo_mask",
    "cow_segmentation.nii.gz": "cow_segmentation",
    "patient7_dwi.nii.gz": "dwi",
    "patient7_ctp_tmax.nii.gz": "tmax",
    "sub-dwi01_ses-01_adc.nii.gz": "adc",
    "sub-adc/ses-01/dwi/sub-adc_dwi.nii.gz": "dwi",
    "dwi_lesion_mask.nii.gz": "lesion_mask",
}
UNKNOWN = [
    "sub-dwi01.nii.gz",
    "dwi/brain.nii.gz",
    "dwi.nii.gz.part",
    "dwi.json",
    ".dwi.nii.gz",
    "._dwi.nii.gz",
    "dwi",
    "",
    "dwi_adc.nii.gz",
    "dwi-adc.nii.gz",
    "dwi_mask.nii.gz",
    "brain_mask.nii.gz",
    "mask.nii.gz",
    "msk.nii.gz",
    "lesion_mask_dwi.nii.gz",
    "sub-01_desc-lesion_dwi.nii.gz",
    "sub-01_acq-b0_dwi.nii.gz",
    "sub-01_T1w.nii.gz",
    "sub-01_dwi_msk.nii.gz",
    "sub-01_ses-02_space-ncct_label-L_desc-diffusion_mask.nii.gz",  # a prediction of ours
    "sub-01_ses-02_space-ncct_label-L_desc-diffusion_probseg.nii.gz",
]


@pytest.mark.parametrize("name", KNOWN)
def test_known_names(name: str) -> None:
    assert modality_of(name) == KNOWN[name]


@pytest.mark.parametrize("name", UNKNOWN)
def test_names_that_do_not_say_it(name: str) -> None:
    assert modality_of(name) is None


@given(st.text(max_size=60))
def test_any_name_has_an_answer(name: str) -> None:
    assert modality_of(name) in {None, *MODALITIES}
    assert modality_of(name + "_dwi.txt") is None


def test_images_on_the_ncct_grid_come_first() -> None:
    raw, there, mni = (f"sub-1/ses-01/sub-1_ses-01_{space}cta.nii.gz" for space in ("", "space-ncct_", "space-MNI_"))
    assert choose([raw, mni, there]) == {"cta": there}
    assert choose([mni, raw]) == {"cta": raw}
    assert choose([mni]) == {"cta": mni}


def test_mri_comes_from_one_session_and_ct_from_one() -> None:
    early = [f"sub-1/ses-01/sub-1_ses-01_{name}.nii.gz" for name in ("ncct", "dwi")]
    late = [f"sub-1/ses-02/sub-1_ses-02_{name}.nii.gz" for name in ("dwi", "adc")]
    assert choose([*early, *late]) == {"dwi": late[0], "adc": late[1], "ncct": early[0]}
    others = ["ses-a/dwi.nii.gz", "ses-b/adc.nii.gz"]
    assert choose(others) == {"dwi": "ses-a/dwi.nii.gz"}  # one patient, but two days


def test_two_masks_that_fit_equally_well_are_none() -> None:
    one, two = "derivatives/manual/sub-1_desc-lesion_mask.nii.gz", "derivatives/net/sub-1_desc-lesion_mask.nii.gz"
    assert choose([one]) == {"lesion_mask": one} and choose([one, two]) == {}
    on_grid = "derivatives/sub-1_space-ncct_lesion-msk.nii.gz"
    assert choose([one, on_grid]) == {"lesion_mask": on_grid}


def test_hidden_files_and_our_own_results_are_never_chosen() -> None:
    ours = "derivatives/strokescope-0.1/sub-1/sub-1_lesion-msk.nii.gz"
    assert choose([ours, ".git/sub-1_dwi.nii.gz", "sub-1/.sub-1_adc.nii.gz"]) == {}


def test_the_order_is_the_screens_and_packed_files_come_first() -> None:
    assert list(choose(["tmax.nii.gz", "lesion_mask.nii.gz", "adc.nii.gz", "dwi.nii"])) == [
        *("dwi", "adc", "tmax", "lesion_mask"),
    ]
    assert choose(["a/dwi.nii", "b/dwi.nii.gz", "c/dwi.nii.gz"]) == {"dwi": "b/dwi.nii.gz"}
