"""Odd tables: what is read from them, and what is told instead of guessed."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.publish.findings import masked
from core.publish.isles24 import LABELS
from core.publish.tables import check_workbook, read_labels, read_tsv
from core.publish.values import NotThat, kind_of, label_key, scalar, wanted_values
from tests.publish.trees import put, workbook

WANTED = LABELS["demographic_baseline"]
USUAL = {"age": 71.0, "sex": "F", "nihss_admission": 4.0, "mrs_admission": 0.0}
LIST: list[list[object]] = [["Age", 71], ["Sex", "F"], ["NIHSS at admission", 4], ["mRS at admission", 0]]
HEADS, CELLS = [row[0] for row in LIST], [row[1] for row in LIST]


def read(place: Path) -> tuple[dict[str, object], set[str]]:
    cells, odd = read_labels(place, "t.xlsx", WANTED)
    values, troubles = wanted_values(cells, WANTED, "t.xlsx")
    return dict(values), {one.code for one in (*odd, *troubles)}


@pytest.mark.parametrize(
    "sheets",
    [
        {"a": [HEADS, CELLS]},
        {"a": LIST},
        {"a": [[], ["", "Patient"], [], *([None, *row] for row in LIST)]},
        {"a": [[" AGE (years) ", "sex\n", "NIHSS  at Admission:", "mRS at admission [0-6]"], CELLS]},
        {"a": [["Weight", *HEADS, "Note"], [80, *CELLS, "n/a"]]},
        {"a": [HEADS, ["71", " F ", "4.0", "0"]]},
        {"empty": [], "a": [HEADS, CELLS]},
        {"a": [HEADS[:2], CELLS[:2]], "b": [HEADS[2:], CELLS[2:]]},
        {"legend": [["Age", "in years"], ["Sex", "as registered"]], "a": [HEADS, CELLS]},
        {"a": [HEADS, CELLS], "again": LIST},
    ],
    ids=["heads", "list", "shifted", "odd heads", "others", "text", "empty sheet", "two sheets", "legend", "twice"],
)
def test_values_are_found_however_the_sheet_looks(tmp_path: Path, sheets: dict[str, list[list[object]]]) -> None:
    assert read(workbook(tmp_path / "t.xlsx", sheets)) == (USUAL, set())


@pytest.mark.parametrize(
    ("cells", "expected", "codes"),
    [
        (["71 y", "F", 4, 0], {"age": None}, {"table-cell"}),
        (["about 70", "F", "4-5", 0], {"age": None, "nihss_admission": None}, {"table-cell"}),
        (
            [None, "n/a", "unknown", "-"],
            {"age": None, "sex": None, "nihss_admission": None, "mrs_admission": None},
            set(),
        ),
        ([datetime.datetime(1950, 1, 2), "F", True, 0], {"age": None, "nihss_admission": None}, {"table-cell"}),
        ([171, "F", -1, 7], {"age": 171.0, "nihss_admission": -1.0, "mrs_admission": 7.0}, {"table-range"}),
        (["7,5", "F", "1_0", "0x3"], {"age": None, "nihss_admission": None, "mrs_admission": None}, {"table-cell"}),
        ([71, 1, 4, 0], {"sex": "1"}, set()),
    ],
)
def test_cells_that_say_nothing_or_nonsense_are_null(
    tmp_path: Path, cells: list[object], expected: dict[str, object], codes: set[str]
) -> None:
    assert read(workbook(tmp_path / "t.xlsx", {"a": [HEADS, cells]})) == ({**USUAL, **expected}, codes)


def test_two_values_are_no_value(tmp_path: Path) -> None:
    two: dict[str, list[list[object]]] = {"a": [HEADS, CELLS], "b": [["Age"], [72]]}
    below: dict[str, list[list[object]]] = {"a": [HEADS, CELLS, [73, "F", 4, 0]]}
    for sheets in (two, below):
        values, codes = read(workbook(tmp_path / "t.xlsx", sheets))
        assert "age" not in values and values["sex"] == "F" and codes == {"table-conflict"}


def test_a_missing_heading_is_told(tmp_path: Path) -> None:
    values, codes = read(workbook(tmp_path / "t.xlsx", {"a": [HEADS[:3], CELLS[:3]]}))
    assert codes == {"table-heading"} and "mrs_admission" not in values


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    good = workbook(tmp_path / "good.xlsx", {"a": LIST}).read_bytes()
    cases = {"empty": b"", "text": b"Age,Sex\n71,F\n", "cut": good[: len(good) // 2], "zip": b"PK\5\6" + bytes(18)}
    for name, content in cases.items():
        troubles = check_workbook(put(tmp_path, f"{name}.xlsx", content), "t.xlsx")
        assert [one.code for one in troubles] == ["table-unreadable"], name
    assert [one.code for one in check_workbook(tmp_path / "absent.xlsx", "t.xlsx")] == ["table-unreadable"]
    assert check_workbook(tmp_path / "good.xlsx", "t.xlsx") == []
    blank = workbook(tmp_path / "blank.xlsx", {"a": []})
    assert check_workbook(blank, "t.xlsx")[0].detail == "no cell holds anything"


def test_a_workbook_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    place = workbook(tmp_path / "bomb.xlsx", {"a": LIST})
    with (
        zipfile.ZipFile(place, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as parts,
        parts.open("xl/more.xml", "w") as part,
    ):
        for _ in range(130):
            part.write(bytes(1_000_000))
    assert place.stat().st_size < 1_000_000
    assert check_workbook(place, "t.xlsx")[0].detail == "it would unpack to more than a table can be"


def test_tables_of_tabs_in_every_dress(tmp_path: Path) -> None:
    plain = "participant_id\tage\nsub-1\t5\nsub-2\t\n"
    for text in (plain, "\ufeff" + plain, plain.replace("\n", "\r\n"), plain.replace("\n", "\n\n"), plain.rstrip("\n")):
        table, troubles = read_tsv(put(tmp_path, "t.tsv", text), "t.tsv")
        assert table.heads == ("participant_id", "age") and troubles == []
        assert [dict(row) for row in table.rows] == [
            {"participant_id": "sub-1", "age": "5"},
            {"participant_id": "sub-2", "age": ""},
        ]
    table, _ = read_tsv(put(tmp_path, "t.tsv", 'id\tnote\n"a"\t"he said ""x"""\nb\t5" long\nc\t\n'), "t.tsv")
    assert [row["note"] for row in table.rows] == ['he said "x"', '5" long', ""]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "table-unreadable"),
        (b"\n\n", "table-unreadable"),
        ("id\tä\n".encode("latin-1"), "table-unreadable"),
        (b"id\ta\ta\n1\t2\t3\n", "table-heading-twice"),
        (b"id\ta\n1\n2\t3\t4\n", "table-uneven"),
    ],
)
def test_broken_tables_of_tabs_are_told(tmp_path: Path, content: bytes, code: str) -> None:
    assert [one.code for one in read_tsv(put(tmp_path, "t.tsv", content), "t.tsv")[1]] == [code]


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_survive_as_cells_and_as_text(value: float) -> None:
    assert scalar(value, "float") == value
    if abs(value) < 1e12:
        assert scalar(f"{value:.15f}", "float") == pytest.approx(value, rel=1e-9, abs=1e-15)
    if value == int(value):
        assert scalar(value, "int") == int(value)
    else:
        with pytest.raises(NotThat):
            scalar(value, "int")


@given(st.text(max_size=30))
@example("0\x1f")
def test_no_text_breaks_a_cell(text: str) -> None:
    for kind in ("string", "float", "int"):
        try:
            found = scalar(text, kind)
        except NotThat:
            continue
        assert found is None or isinstance(found, str if kind == "string" else (int, float))
    assert label_key(text.upper()) == label_key(text.lower()) or not text.isascii()
    shape = masked(text)
    assert shape.isprintable() and not any(c.isalpha() and c.lower() != "x" for c in shape)


def test_the_kind_of_a_column_is_the_narrowest_that_loses_nothing() -> None:
    assert kind_of(["1", "2", "n/a"]) == "int"
    assert kind_of(["1", "2.5", None]) == "float"
    assert kind_of(["01", "02"]) == kind_of(["a", "1"]) == kind_of(["n/a"]) == kind_of([]) == "string"
