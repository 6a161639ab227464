"""Case ids and modalities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.case import MODALITIES, SESSION_LABELS, CaseRef, check_case_id, in_screen_order
from core.errors import CaseNotFound


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a\\b", "../x", "a..b", "/etc", " x", "x" * 101, "-x", ".x", "a\n"])
def test_ids_that_could_be_paths_are_refused(bad: str) -> None:
    with pytest.raises(CaseNotFound):
        check_case_id(bad)


@given(st.text(max_size=120))
def test_an_accepted_id_is_one_path_component(text: str) -> None:
    try:
        check_case_id(text)
    except CaseNotFound:
        return
    assert "/" not in text
    assert "\\" not in text
    assert text not in {"", ".", ".."}
    assert text.isascii()


def test_every_modality_has_a_labelled_session() -> None:
    assert all(m.session in SESSION_LABELS and m.label for m in MODALITIES.values())
    assert MODALITIES["lesion_mask"].session == MODALITIES["dwi"].session == "ses-02"


def test_screen_order_drops_what_nobody_knows() -> None:
    assert in_screen_order({"adc", "dwi", "x-ray"}) == ("dwi", "adc")


def test_a_case_checks_its_id() -> None:
    with pytest.raises(CaseNotFound):
        CaseRef("../../etc/passwd")
