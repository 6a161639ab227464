"""What the values of rows tell of people: surely, perhaps, or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.publish.checks import check_tree
from core.publish.rows import Row
from core.publish.schema import Column, Schema
from core.publish.tree import Tree


def codes(column: str, *texts: str) -> list[str]:
    """The codes about one column of text, a row and a subject for each text."""
    schema = Schema("bids", (Column("subject_id", "string"), Column(column, "string")))
    rows = tuple(Row(f"sub-{at}", {}, {"subject_id": f"sub-{at}", column: text}) for at, text in enumerate(texts))
    found = check_tree(Tree(Path("/none"), schema, rows), counts=False)
    assert all(one.detail.startswith(column) and not any(text in one.detail for text in texts) for one in found)
    return [one.code for one in found]


@pytest.mark.parametrize("text", ["Schmidt^Karl", "MUELLER^ANNA^^DR", "anna.m@example.org"])
def test_what_is_surely_a_person_is_an_error_wherever_it_stands(text: str) -> None:
    assert codes("code", "A1", text, text) == ["column-person"]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("who", "Mueller, Anna"),
        ("surgeon", "Dr. House"),
        ("site", "Prof. Adams"),
        ("rater", "Anna Mueller"),
        ("mark", "seen 1234567"),
        ("label", "Patient: known"),
    ],
)
def test_what_may_be_a_person_is_to_be_looked_at(column: str, text: str) -> None:
    assert codes(column, "A1", text) == ["column-names"]


def test_a_label_of_several_subjects_names_nobody() -> None:
    assert codes("site", "Boston, MA", "Boston, MA", "Kiel, Germany", "Kiel, Germany") == []
    assert codes("dx", "Aphasia, Broca", "Aphasia, Broca", "230690007", "230690007") == []
    assert codes("rater", "Mueller, Anna", "Mueller, Anna") == ["column-names"], "a rater rates several"


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        ("wab_type", ("Broca", "Anomic", "None", "TranscorticalMotor", "Global")),
        ("dx", ("stroke, left MCA", "Stroke, left", "left middle cerebral artery", "hemorrhage (ICH)")),
        ("site", ("Charité Berlin", "St. Mary", "site 12", "UofSC")),
        ("scanner", ("MR 750", "Siemens Trio", "3T")),
        ("sex", ("F", "M")),
        ("who_grade", ("Grade II", "Grade III")),
        ("rater", ("R1", "A", "first reader")),
        ("race", ("Black or African American", "White", "Unknown / Not Reported")),
    ],
)
def test_categories_are_no_people(column: str, texts: tuple[str, ...]) -> None:
    assert codes(column, *texts) == []


def test_remarks_are_free_text_however_short() -> None:
    assert codes("comment", "fell at home in Berlin", "ok") == ["column-text"]
    assert codes("comment", "ok", "none") == [] and codes("handedness", "fell at home") == []


def test_a_date_is_told_as_a_date_however_late_it_comes() -> None:
    assert codes("since", "x" * 900 + " 2019-03-04") == ["column-date"]
    assert codes("since", "2019-03-04") == ["column-date"]
