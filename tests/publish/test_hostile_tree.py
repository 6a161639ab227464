"""Source trees that nobody meant: endless links, pipes, wide tables, formulas, names that tell, unread formats."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.errors import BadPlan, BadTree, SourceChanged
from core.publish.isles24 import LABELS
from core.publish.look import Want, look
from core.publish.plan import MOST_CHUNKS, make_plan
from core.publish.rows import Row
from core.publish.schema import Column, Schema, schema_named
from core.publish.tables import read_labels
from core.publish.tree import Tree, scan
from core.publish.validate import validate
from core.publish.values import kind_of, scalar, wanted_values
from core.publish.walk import walk
from tests.publish import trees
from tests.publish.staged import built, noise, noise_file, noise_schema, ref_of


def test_links_that_multiply_end(tmp_path: Path) -> None:
    for number in range(30):  # a thousand million ways through thirty folders
        folder = tmp_path / "source" / f"f{number}"
        folder.mkdir(parents=True)
        for name in "ab":
            (folder / name).symlink_to(f"../f{number + 1}")
    (tmp_path / "source" / "f30").mkdir()
    with pytest.raises(BadTree, match="more than 5000"):
        walk(tmp_path / "source", most=5000)
    assert len(walk(noise(tmp_path / "good", 3).root, most=10)[0].files) == 6


def test_a_file_that_becomes_a_pipe_waits_for_nobody(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 2))
    place = tmp_path / "source" / "1" / "0.nii.gz"
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(SourceChanged):
        built(plan, tmp_path / "staging")
    assert [t.code for t in look(place, Want(plan.shards[0].files[2]), lambda count: None).troubles] == ["file-changed"]
    assert {t.code for t in walk(tmp_path / "source")[1]} == {"file-special"}


def wide(root: Path, rows: int, columns: int) -> Tree:
    """Rows of one image and so many numbers."""
    ref = noise_file(root, "a.nii.gz", 100)
    names = [f"s{at}" for at in range(columns)]
    values: dict[str, Any] = dict.fromkeys(names, 0.5)
    schema = Schema("bids", (Column("i", "image"), *(Column(n, "float") for n in names)), one_row_per_shard=False)
    return Tree(root, schema, tuple(Row(f"r{at}", {"i": (ref,)}, values) for at in range(rows)))


def test_wide_tables_get_fewer_rows_in_a_shard(tmp_path: Path) -> None:
    plan = make_plan(wide(tmp_path, 100, 198))
    assert {len(shard.rows) for shard in plan.shards} == {MOST_CHUNKS // 200, 20}
    with pytest.raises(BadPlan, match="columns"):
        make_plan(wide(tmp_path, 1, MOST_CHUNKS))


@pytest.mark.stress
@pytest.mark.parametrize(("rows", "columns"), [(41, 198), (1, MOST_CHUNKS - 2), (256, 29)])
def test_the_widest_shards_are_built_and_read_back(tmp_path: Path, rows: int, columns: int) -> None:
    built(make_plan(wide(tmp_path / "source", rows, columns)), tmp_path / "staging")
    found = sorted((tmp_path / "staging" / "data").iterdir())
    assert sum(pq.ParquetFile(path).metadata.num_rows for path in found) == rows


def test_rows_and_columns_without_anything_keep_their_types(tmp_path: Path) -> None:
    columns = (*noise_schema().columns, Column("runs", "images"), Column("age", "float"), Column("n", "int"))
    row = Row("empty", {"i0": (), "i1": (), "runs": ()}, {"id": None, "age": None, "n": None})
    built(make_plan(Tree(tmp_path / "source", Schema("bids", columns), (row,))), tmp_path / "staging")
    (path,) = (tmp_path / "staging" / "data").iterdir()
    table = pq.read_table(path)
    assert table.to_pylist() == [dict.fromkeys(["id", "i0", "i1", "runs", "age", "n"])]
    kinds = [str(field.type) for field in table.schema]
    image = "struct<bytes: binary, path: string>"
    assert kinds == ["string", image, image, f"list<element: {image}>", "double", "int64"]


def test_cells_that_only_look_empty_are_told(tmp_path: Path) -> None:
    labels, place = LABELS["demographic_baseline"], tmp_path / "t.xlsx"
    trees.workbook(place, {"a": [["Age", "Sex"], ["=40+2", "#REF!"]]})
    values, troubles = wanted_values(read_labels(place, "t", labels)[0], labels, "t")
    assert values["age"] is None and values["sex"] is None
    assert [t.detail for t in troubles if t.code == "table-cell"] == [
        "age holds a formula that nobody computed",
        "sex holds “#XXX!”",
    ]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([["Age", "Sex"], [None, None], [61, "F"]], ["age", "sex"]),  # headings that are merged downwards
        ([["Age", None, "Sex"], [61, None, "F"]], []),  # or to the right
        ([["Age", "Sex"], [None, "F"]], []),
        ([["Age", "Sex"], [None, "F"], [None, None], [None, None], [None, None], ["a note", None]], []),
    ],
)
def test_a_value_that_is_not_where_it_is_looked_for_is_told(tmp_path: Path, rows: Any, told: list[str]) -> None:
    labels, place = LABELS["demographic_baseline"], tmp_path / "t.xlsx"
    trees.workbook(place, {"a": rows})
    _, troubles = wanted_values(read_labels(place, "t", labels)[0], labels, "t")
    assert [t.detail.partition(" ")[0] for t in troubles if t.code == "table-cell"] == told


def test_numbers_keep_all_their_digits() -> None:
    assert scalar(repr(0.1 + 0.2), "float") == 0.1 + 0.2 and kind_of(["0.30000000000000004"]) == "float"
    assert kind_of(["1e300", "2"]) == "float" and kind_of(["9007199254740993"]) == "string"


def test_names_that_tell_and_formats_that_nobody_reads_are_told(tmp_path: Path) -> None:
    root = trees.bids(tmp_path / "tree")
    trees.put(root, "sub-01/func/sub-01_task-rest_acq-20190312_bold.nii.gz", seed=900)
    for name in ("sub-01_T2w.mgz", "sub-01_T2w.img", "IM0001.dcm"):
        trees.put(root, f"sub-01/anat/{name}", "x")
    report = validate(scan(root, schema_named("bids")))
    dated, foreign = report.finding("name-date"), report.finding("image-foreign")
    assert dated and dated.paths == ("sub-01/func/sub-01_task-rest_acq-20190312_bold.nii.gz",)
    assert foreign and len(foreign.paths) == 3


def test_names_that_differ_only_in_how_they_are_written_are_told(tmp_path: Path) -> None:
    for name in ("sub-é", unicodedata.normalize("NFD", "sub-é"), "SUB-é".replace("SUB", "sub").upper().lower()):
        trees.put(tmp_path, f"{name}/anat/{name}_T1w.nii.gz", seed=len(name))
    report = validate(scan(tmp_path, schema_named("bids")))
    finding = report.finding("subject-twice")
    assert finding and len(finding.places) == 1 and not report.ok


def test_the_source_is_not_written_to(tmp_path: Path) -> None:
    root = trees.arc(tmp_path / "tree")
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")}
    tree = scan(root, schema_named("arc"))
    validate(tree)
    built(make_plan(tree), tmp_path / "staging")
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")} == before
    assert ref_of(root, tree.images[0].path) == tree.images[0]
