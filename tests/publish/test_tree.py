"""Source trees as rows: which file becomes which cell, and what is told of the others."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadTree
from core.publish.rows import natural
from core.publish.schema import schema_named
from core.publish.tree import Tree, scan
from tests.publish import trees

RAW = "train/raw_data/{0}/ses-01/{0}_ses-01_"
ONE, TWO, THREE = (f"sub-stroke{number:04d}" for number in (1, 2, 3))
SECOND = ("sub-M2002/ses-1/", "sub-M2002_ses-1")


def codes(tree: Tree) -> set[str]:
    return {problem.code for problem in tree.problems}


def read(root: Path, name: str) -> Tree:
    return scan(root, schema_named(name))


def test_isles24_is_one_row_per_subject_with_raw_before_derived(tmp_path: Path) -> None:
    tree = read(trees.isles24(tmp_path / trees.AWKWARD), "isles24")
    assert [row.row_id for row in tree.rows] == [ONE, TWO, THREE]
    first, second, third = tree.rows
    assert first.files["cta"][0].path == RAW.format(ONE) + "cta.nii.gz"
    assert third.files["cta"][0].path.endswith(
        "derivatives/sub-stroke0003/ses-01/sub-stroke0003_ses-01_space-ncct_cta.nii.gz"
    )
    assert first.files["tmax"][0].path.startswith("train/derivatives/sub-stroke0001/ses-01/perfusion-maps/")
    assert second.files["ctp"] == second.files["mtt"] == third.files["lvo_mask"] == ()
    assert dict(first.values) == {
        "subject_id": ONE,
        "age": 61.5,
        "sex": "M",
        "nihss_admission": 7.0,
        "mrs_admission": 0.0,
        "mrs_3month": 1.0,
    }
    assert second.values["mrs_3month"] is None
    assert tree.problems == () and tree.unused == () and len(tree.tables) == 7
    assert {len(row.files) for row in tree.rows} == {len(tree.schema.images)}


def test_every_file_of_a_tree_is_somewhere_and_once(tmp_path: Path) -> None:
    for name in ("isles24", "arc", "bids"):
        root = getattr(trees, name)(tmp_path / name, 1)
        tree = read(root, name)
        told = [file.path for file in (*tree.images, *tree.tables, *tree.loose)]
        here = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        assert sorted(told) == sorted(here)
        assert tree.bytes == sum((root / file.path).stat().st_size for file in tree.images)
        assert all((root / f.path).stat().st_mtime_ns == f.mtime_ns for f in tree.images)


def test_the_folder_inside_train_is_a_tree_too(tmp_path: Path) -> None:
    trees.isles24(tmp_path, 1)
    outer, inner = read(tmp_path, "isles24"), read(tmp_path / "train", "isles24")
    assert [row.values for row in outer.rows] == [row.values for row in inner.rows]
    assert outer.rows[0].files["dwi"][0].path == "train/" + inner.rows[0].files["dwi"][0].path


def test_arc_is_one_row_per_session_with_its_runs_in_order(tmp_path: Path) -> None:
    tree = read(trees.arc(tmp_path / trees.AWKWARD), "arc")
    assert [row.row_id for row in tree.rows] == [f"sub-M{n}_ses-{s}" for n in (2001, 2002) for s in (1, 2)]
    first, other = tree.rows[:2]
    runs = [int(file.name.split("run-")[1].split("_")[0]) for file in first.files["bold"]]
    assert runs == list(range(1, 13))
    assert [len(first.files[name]) for name in ("t1w", "flair", "dwi", "sbref", "lesion")] == [1, 1, 2, 2, 1]
    assert other.files["bold"] == other.files["t1w"] == () and len(other.files["dwi"]) == 1
    assert (first.values["wab_aq"], tree.rows[2].values["wab_aq"], first.values["session_id"]) == (71.5, None, "ses-1")
    assert tree.licence == "CC0" and tree.problems == ()


def test_a_plain_tree_gets_its_columns_from_its_names(tmp_path: Path) -> None:
    tree = read(trees.bids(tmp_path), "bids")
    assert [(column.name, column.kind) for column in tree.schema.columns] == [
        ("subject_id", "string"),
        ("bold", "images"),
        ("lesion_mask", "image"),
        ("t1w", "image"),
        ("age_years", "int"),
        ("handedness", "string"),
        ("code", "string"),
    ]
    assert tree.schema.column("lesion_mask").like == ("bold", "t1w") and tree.schema.column("t1w").head
    assert [row.values["code"] for row in tree.rows] == ["001", "002", "003"]
    assert [len(row.files["bold"]) for row in tree.rows] == [0, 1, 2]


def test_sessions_and_derivatives_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    for path in (
        "sub-1/ses-a/dwi/sub-1_ses-a_dwi.nii.gz",
        "derivatives/x/sub-1/ses-a/sub-1_ses-a_dwi.nii.gz",
        "derivatives/y/sub-1/ses-a/sub-1_ses-a_space-MNI_dwi.nii.gz",
        "sub-1/sub-1_subject_id.nii.gz",
        "sourcedata/sub-1/sub-1_dwi.nii.gz",
    ):
        trees.put(tmp_path, path)
    trees.put(tmp_path, "participants.tsv", "participant_id\tdwi\tDWI\nsub-1\t1\t2\n")
    tree = read(tmp_path, "bids")
    names = [column.name for column in tree.schema.columns]
    assert names == ["subject_id", "session_id", "dwi", "id", "mni_dwi", "x_dwi", "dwi_2", "dwi_3"]
    assert {row.row_id: row.values["session_id"] for row in tree.rows} == {"sub-1": None, "sub-1_ses-a": "ses-a"}
    assert [row.values["dwi_2"] for row in tree.rows] == [1, 1] and tree.rows[0].values["dwi_3"] == 2
    assert [file.path for file in tree.spare] == ["sourcedata/sub-1/sub-1_dwi.nii.gz"]


def test_somebody_elses_image_is_not_taken(tmp_path: Path) -> None:
    trees.isles24(tmp_path / "a", 2)
    trees.arc(tmp_path / "b")
    wrong = tmp_path / "a" / (RAW.format(ONE) + "ncct.nii.gz")
    wrong.rename(wrong.with_name(f"{TWO}_ses-01_ncct.nii.gz"))
    run = tmp_path / "b" / SECOND[0] / "anat" / f"{SECOND[1]}_T1w.nii.gz"
    run.rename(run.with_name("sub-M2001_ses-1_T1w.nii.gz"))
    first, second = read(tmp_path / "a", "isles24"), read(tmp_path / "b", "arc")
    assert codes(first) == codes(second) == {"misfiled"}
    assert first.rows[0].files["ncct"] == () and second.rows[2].files["t1w"] == ()


def test_of_two_files_for_one_cell_the_choice_is_told(tmp_path: Path) -> None:
    trees.arc(tmp_path)
    anat = tmp_path / SECOND[0] / "anat"
    shutil.copy(anat / f"{SECOND[1]}_T1w.nii.gz", anat / f"{SECOND[1]}_run-2_T1w.nii.gz")
    (anat / f"{SECOND[1]}_T2w.nii").write_bytes(trees.image())
    tree = read(tmp_path, "arc")
    assert {(p.code, p.path.rsplit("/")[-1]) for p in tree.problems} == {
        ("several-files", f"{SECOND[1]}_run-2_T1w.nii.gz"),
        ("packed-twice", f"{SECOND[1]}_T2w.nii"),
    } and tree.unused == ()
    assert tree.rows[2].files["t2w"][0].path.endswith("_T2w.nii.gz")


def test_a_derivative_alone_and_an_unknown_image_are_told(tmp_path: Path) -> None:
    trees.isles24(tmp_path, 1)
    (tmp_path / (RAW.format(ONE) + "ctp.nii.gz")).unlink()
    trees.put(tmp_path, RAW.format(ONE) + "mra.nii.gz")
    tree = read(tmp_path, "isles24")
    assert codes(tree) == {"derivative-alone"} and [file.name for file in tree.unused] == [f"{ONE}_ses-01_mra.nii.gz"]


def test_links_are_followed_but_not_in_circles_nor_into_nothing(tmp_path: Path) -> None:
    root = trees.bids(tmp_path / "tree")
    annex = tmp_path / "annex.nii.gz"
    shutil.move(root / "sub-01/anat/sub-01_T1w.nii.gz", annex)
    (root / "sub-01/anat/sub-01_T1w.nii.gz").symlink_to(annex)
    (root / "sub-02/anat/again").symlink_to(root)
    (root / "sub-03/anat/sub-03_T2w.nii.gz").symlink_to("../.git/annex/objects/gone")
    os.mkfifo(root / "sub-03/pipe.nii.gz")
    (root / ".hidden").mkdir()
    trees.put(root, ".hidden/sub-01_T1w.nii.gz")
    tree = read(root, "bids")
    assert codes(tree) == {"folder-circle", "link-broken", "file-special"}
    assert tree.rows[0].files["t1w"][0].bytes == annex.stat().st_size and len(tree.images) == 9


def test_a_name_that_is_no_text_is_told_and_not_taken(tmp_path: Path) -> None:
    root = trees.bids(tmp_path)
    for name in (b"sub-04_\xff_T1w.nii.gz", b"sub-04_\x1b[2J_T1w.nii.gz", b"sub-04_\n_T1w.nii.gz"):
        (root / os.fsdecode(name)).write_bytes(b"")
    tree = read(root, "bids")
    assert codes(tree) == {"name-odd"} and len(tree.problems) == 3
    assert all(problem.path.isprintable() for problem in tree.problems)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("absent", "file", "loop"):
        with pytest.raises(BadTree):
            read(tmp_path / name, "arc")
    assert read(tmp_path, "arc").rows == ()


def test_participants_who_do_not_match_are_told(tmp_path: Path) -> None:
    root = trees.arc(tmp_path)
    text = (root / "participants.tsv").read_text().replace("sub-M2002", "M2002")  # without its prefix
    trees.put(root, "participants.tsv", text + "sub-M2001\tF\t50\t1\tx\nsub-M9\tF\t50\t1\tx\n\tF\t1\t1\tx\n")
    shutil.copytree(root / "sub-M2002", root / "sub-M2003")
    for path in sorted((root / "sub-M2003").rglob("*_*.*")):
        path.rename(path.with_name(path.name.replace("M2002", "M2003")))
    tree = read(root, "arc")
    assert codes(tree) == {"participant-twice", "participant-alone", "participant-missing", "participant-nameless"}
    ages = {row.row_id: row.values["age_at_stroke"] for row in tree.rows}
    assert (ages["sub-M2001_ses-1"], ages["sub-M2002_ses-1"], ages["sub-M2003_ses-1"]) == (None, 42.0, None)


@given(st.lists(st.text(st.sampled_from("ab0129_-é"), max_size=6), max_size=4), st.randoms(use_true_random=False))
def test_the_natural_order_is_an_order_and_counts_numbers(names: list[str], draw: random.Random) -> None:
    ordered = sorted(names, key=natural)
    draw.shuffle(names)
    assert sorted(names, key=natural) == ordered
    assert natural("run-2_bold") < natural("run-10_bold") and natural("a01") != natural("a1")
