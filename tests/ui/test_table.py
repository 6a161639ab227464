"""The table of cases: filters and rows."""

import pandas as pd

from core.case import CaseRef, Clinical
from core.ui.table import Filters, frame, here_mark, keep, span

OLD = CaseRef(
    "sub-1",
    Clinical(80, "F", 14, 1, 4),
    ("dwi", "adc", "lesion_mask"),
    {"dwi": 10**6, "adc": 10**6, "lesion_mask": 10**5},
)
UNKNOWN = CaseRef("sub-2")
NONE: frozenset[str] = frozenset()


def test_unknown_values_pass_only_without_a_wish() -> None:
    assert keep(UNKNOWN, Filters(), NONE)
    assert not keep(UNKNOWN, Filters(age=(0, 120)), NONE)
    assert not keep(UNKNOWN, Filters(has=("dwi",)), NONE)
    assert keep(OLD, Filters(age=(70, 90), nihss=(14, 14), mrs=(4, 6), has=("adc",)), NONE)
    assert not keep(OLD, Filters(nihss=(0, 13)), NONE)


def test_search_looks_at_id_and_note() -> None:
    noted = CaseRef("case-7", note="large territorial infarct")
    assert keep(noted, Filters("LARGE infarct"), NONE)
    assert not keep(noted, Filters("small"), NONE)


def test_cached_only() -> None:
    assert not keep(OLD, Filters(cached_only=True), NONE)
    assert keep(OLD, Filters(cached_only=True), frozenset({"dwi"}))


def test_rows_tell_what_a_click_costs() -> None:
    table = frame([OLD, UNKNOWN], {"sub-1": frozenset({"adc"})})
    assert table.loc[0, "MB"] == 1.1
    assert pd.isna(table.loc[1, "MB"])
    assert list(table["here"]) == ["◐", "○"]
    assert table.loc[0, "images"] == "DWI ADC"
    assert table.loc[1, "images"] == "not read yet"
    assert list(frame([], {}).columns) == list(table.columns)


def test_marks_tell_whether_opening_costs_nothing() -> None:
    assert here_mark(OLD, frozenset({"dwi", "adc", "lesion_mask"})) == "●"
    assert here_mark(OLD, frozenset({"dwi"})) == "◐"
    assert here_mark(OLD, NONE) == "○"
    assert here_mark(UNKNOWN, NONE) == "○"


def test_a_span_needs_two_values() -> None:
    assert span([None, 3.0, 7.0]) == (3.0, 7.0)
    assert span([3.0]) is None
    assert span([]) is None
