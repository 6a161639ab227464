"""Words for nothing: null among numbers, and told; a category among texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.publish.findings import Trouble
from core.publish.isles24 import LABELS
from core.publish.rows import Scalar
from core.publish.schema import schema_named
from core.publish.tables import read_labels
from core.publish.tree import Tree, scan
from core.publish.values import Wanted, kind_of, scalar, wanted_values, words_for_nothing
from tests.publish import trees

WORDS = ("None", "unknown", "missing", "-", "?", "na", "NULL", "nan", ".")


def tree_of(root: Path, schema: str, table: str) -> Tree:
    (trees.arc if schema == "arc" else trees.bids)(root)
    trees.put(root, "participants.tsv", table)
    return scan(root, schema_named(schema))


def told(tree: Tree) -> list[tuple[str, str]]:
    return [(one.code, one.detail) for one in tree.problems if one.code.startswith("words-")]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_a_text_and_no_number(word: str) -> None:
    assert scalar(word, "string") == word and scalar(f" {word} ", "float") is scalar(word, "int") is None
    assert kind_of([word, "1", "2"]) == "int" and kind_of([word]) == "string"


@pytest.mark.parametrize("cell", ["", " ", "n/a", "N/A", None, float("nan")])
def test_an_empty_cell_is_nothing_in_every_column(cell: object) -> None:
    assert scalar(cell, "string") is scalar(cell, "float") is None
    assert not words_for_nothing({"a": [cell]}, {"a": Wanted("a", (), "string")}, "t")


def test_no_aphasia_is_a_category_of_arc(tmp_path: Path) -> None:
    table = "participant_id\tsex\tage_at_stroke\twab_aq\twab_type\nsub-M2001\tF\tunknown\t99\tNone\n"
    tree = tree_of(tmp_path, "arc", table + "sub-M2002\tn/a\t50\t-\tNone\n")
    values = {row.row_id: row.values for row in tree.rows}
    assert {one["wab_type"] for one in values.values()} == {"None"}
    assert (values["sub-M2001_ses-1"]["age_at_stroke"], values["sub-M2002_ses-1"]["wab_aq"]) == (None, None)
    assert values["sub-M2002_ses-1"]["sex"] is None
    assert told(tree) == [
        ("words-null", "age_at_stroke: “unknown” 1 ×"),
        ("words-null", "wab_aq: “-” 1 ×"),
        ("words-kept", "wab_type: “None” 2 ×"),
    ]


def test_a_column_of_a_plain_tree_keeps_its_words(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "bids", "participant_id\tgroup\tscore\nsub-01\tNone\t1\nsub-02\tunknown\t?\nsub-03\t\t3\n")
    assert [row.values["group"] for row in tree.rows] == ["None", "unknown", None]
    assert [row.values["score"] for row in tree.rows] == [1, None, 3] and tree.schema.column("score").kind == "int"
    assert told(tree) == [("words-kept", "group: “None” 1 ×, “unknown” 1 ×"), ("words-null", "score: “?” 1 ×")]


@pytest.mark.parametrize(
    ("sheet", "sex"),
    [
        ([["Age", "Sex"], ["-", "unknown"]], "unknown"),
        ([["Age", "-"], ["Sex", "unknown"]], "unknown"),
        ([["Sex", "Weight"], ["unknown", 80]], "unknown"),
        ([["Age", "Sex"], ["-", "n/a"]], None),
    ],
)
def test_words_of_a_workbook(tmp_path: Path, sheet: list[list[object]], sex: Scalar) -> None:
    wanted = LABELS["demographic_baseline"]
    cells, odd = read_labels(trees.workbook(tmp_path / "t.xlsx", {"a": sheet}), "t.xlsx", wanted)
    values, _ = wanted_values(cells, wanted, "t.xlsx")
    assert not odd and values["sex"] == sex and values.get("age") is None
    found = words_for_nothing(cells, wanted, "t.xlsx")
    assert (Trouble("words-null", "t.xlsx", "age: “-” 1 ×") in found) is ("age" in cells)
    assert (Trouble("words-kept", "t.xlsx", "sex: “unknown” 1 ×") in found) is (sex is not None)


def test_a_word_contradicts_nothing() -> None:
    wanted = {"sex": Wanted("sex", ("sex",), "string")}
    for cells, value in ((["unknown", "F"], "F"), (["?", "?"], "?"), (["n/a", "-"], "-")):
        assert wanted_values({"sex": cells}, wanted, "t") == ({"sex": value}, [])
    assert wanted_values({"sex": ["M", "F", "-"]}, wanted, "t")[1][0].code == "table-conflict"
