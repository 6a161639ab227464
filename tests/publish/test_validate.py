"""Validation of whole trees: clean ones pass, and each thing that is wrong is found and named."""

from __future__ import annotations

import gzip
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadPlan, PublishCancelled
from core.publish.codes import RULES
from core.publish.report import Report
from core.publish.schema import schema_named
from core.publish.tree import scan
from core.publish.validate import Options, Progress, choose, validate
from tests.publish import trees

PART = Options(counts=False)
RAW = "train/raw_data/sub-stroke0001/ses-01/sub-stroke0001_ses-01_"
TWO = "train/derivatives/sub-stroke0001/ses-02/sub-stroke0001_ses-02_space-ncct_"
ANAT = "sub-M2001/ses-1/anat/sub-M2001_ses-1_"


def check(root: Path, name: str, options: Options = PART) -> Report:
    return validate(scan(root, schema_named(name)), options)


def codes(report: Report, *severities: str) -> set[str]:
    wanted = severities or ("error", "warning")
    return {finding.code for finding in report.findings if finding.severity in wanted}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    trees.isles24(folder / "isles24", 3)
    trees.arc(folder / "arc")
    trees.bids(folder / "bids")
    return folder


@pytest.fixture
def stroke(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean / "isles24", tmp_path / trees.AWKWARD))


@pytest.fixture
def cohort(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean / "arc", tmp_path / trees.AWKWARD))


@pytest.mark.parametrize("name", ["isles24", "arc", "bids"])
def test_a_clean_tree_is_ready_and_its_numbers_are_right(clean: Path, name: str) -> None:
    report = check(clean / name, name)
    assert report.ok and codes(report) == set()
    tree = scan(clean / name, schema_named(name))
    assert (report.rows, report.images, report.bytes) == (len(tree.rows), len(tree.images), tree.bytes)
    assert report.read == report.images and report.finding("sampled") is None
    assert report.columns[0] == ("subject_id", "string", report.rows)


def test_the_whole_dataset_must_have_its_numbers(clean: Path) -> None:
    report = check(clean / "isles24", "isles24", Options())
    assert codes(report) == {"rows-count", "column-count"} and not report.ok
    rows, column = report.finding("rows-count"), report.finding("column-count")
    assert rows and [detail for _, detail in rows.places] == ["rows: 3 of 149", "subjects: 3 of 149"]
    assert column and ("", "ctp: 2 of about 140") in column.places


def test_counts_within_their_tolerance_are_a_note(clean: Path) -> None:
    tree = scan(clean / "bids", schema_named("bids"))
    for expected, severity in ((3, None), (4, "note"), (9, "error")):
        columns = tuple(
            replace(c, expected=expected, tolerance=0.3) if c.name == "t1w" else c for c in tree.schema.columns
        )
        report = validate(replace(tree, schema=replace(tree.schema, columns=columns)))
        assert codes(report, "error", "note") - {"face-unclear"} == {
            None: set(), "note": {"counts-near"}, "error": {"column-count"}
        }[severity]  # fmt: skip


def damaged(place: Path, how: str) -> None:
    data = place.read_bytes()
    raw = gzip.decompress(data)
    changed = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "cut at its end": data[:-1],
        "flipped": data[:900] + bytes([data[900] ^ 4]) + data[901:],
        "trailing": data + b"more",
        "short": trees.packed(raw[:-2]),
        "long": trees.packed(raw + b"xx"),
        "plain": raw,
        "no image": trees.packed(b"<html>not found</html>" * 40),
        "no voxels": trees.packed(raw[:352]),
        "flat": trees.packed(raw[:280] + bytes(48) + raw[328:]),
    }
    place.write_bytes(changed[how])


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("empty", "file-empty"),
        ("cut", "image-damaged"),
        ("cut at its end", "image-damaged"),
        ("flipped", "image-damaged"),
        ("trailing", "image-damaged"),
        ("short", "image-damaged"),
        ("long", "image-damaged"),
        ("plain", "header-bad"),
        ("no image", "header-bad"),
        ("no voxels", "image-damaged"),
        ("flat", "header-bad"),
    ],
)
def test_a_damaged_image_is_found_and_named(cohort: Path, how: str, code: str) -> None:
    damaged(cohort / f"{ANAT}FLAIR.nii.gz", how)
    report = check(cohort, "arc")
    found = report.finding(code)
    assert found is not None and found.paths == (f"{ANAT}FLAIR.nii.gz",) and codes(report) == {code}


def test_a_required_image_that_is_missing_is_an_error(stroke: Path) -> None:
    (stroke / f"{TWO}adc.nii.gz").unlink()
    (stroke / f"{RAW}ctp.nii.gz").unlink()
    report = check(stroke, "isles24")
    assert codes(report) == {"image-missing", "derivative-alone"}
    missing = report.finding("image-missing")
    assert missing and missing.places == (("", "sub-stroke0001: adc"),)


@pytest.mark.parametrize(
    ("place", "shape", "code"), [("lesion-msk", (6, 6, 6), "grid-differs"), ("lesion-msk", (13, 10, 8), "grid-other")]
)
def test_a_mask_must_lie_on_its_images_grid(stroke: Path, place: str, shape: tuple[int, ...], code: str) -> None:
    (stroke / f"{TWO}{place}.nii.gz").write_bytes(trees.packed(trees.image(3, shape)))
    if code == "grid-other":
        (stroke / f"{RAW}cta.nii.gz").write_bytes(trees.packed(trees.image(3, shape)))
        (stroke / "train/derivatives/sub-stroke0001/ses-01/sub-stroke0001_ses-01_space-ncct_cow-msk.nii.gz").unlink()
    report = check(stroke, "isles24")
    found = report.finding(code)
    assert codes(report) == {code} and found and "voxels of 2 × 2 × 2 mm" in found.places[0][1]


def test_a_copied_patient_is_found_by_the_voxels(cohort: Path) -> None:
    twin = cohort / ANAT.replace("M2001", "M2002")
    raw = gzip.decompress((cohort / f"{ANAT}T1w.nii.gz").read_bytes())
    Path(f"{twin}T1w.nii.gz").write_bytes(trees.packed(raw, level=9))  # other bytes, same voxels
    blank = trees.packed(trees.image(voxels=np.zeros(trees.SHAPE)))
    for place in (cohort / f"{ANAT}T2w.nii.gz", Path(f"{twin}T2w.nii.gz")):
        place.write_bytes(blank)  # empty images are alike without being copies
    report = check(cohort, "arc")
    found = report.finding("image-same")
    assert codes(report) - {"grid-differs", "grid-other"} == {"image-same"}
    assert found and found.places == ((f"{ANAT.replace('M2001', 'M2002')}T1w.nii.gz", "as in sub-M2001_ses-1"),)


def test_one_subject_in_two_spellings_is_an_error(cohort: Path) -> None:
    for name in ("sub-m2001", "sub-Müller", "sub-Mu\u0308ller"):
        trees.put(cohort, f"{name}/ses-1/anat/{name}_ses-1_T1w.nii.gz", seed=len(name) + name.count("u"))
    found = check(cohort, "arc").finding("subject-twice")
    assert found and [detail for _, detail in found.places] == ["sub-M2001, sub-m2001", "sub-Mu\u0308ller, sub-Müller"]


def test_participants_who_tell_who_they_are(clean: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(clean / "bids", tmp_path / "tree"))
    head = "participant_id\tage\tinitials\tdate of birth\tscanned\tremarks\tsite_name\n"
    long = "fell at home and was found by a neighbour in the evening"
    trees.put(root, "participants.tsv", head + f"sub-01\t93\tAB\t1931\t2015-03-12\t{long}\tnorth\n")
    trees.put(root, "sub-20150312/anat/sub-20150312_T1w.nii.gz", seed=5)
    report = check(root, "bids")
    told = {
        code: [d for _, d in f.places] for code in RULES if (f := report.finding(code)) and code.startswith("column")
    }
    assert told == {
        "column-person": ["date_of_birth", "initials"],
        "column-date": ["scanned", "subject_id"],
        "column-text": ["remarks"],
    }
    assert report.finding("age-high") and not report.ok and long not in str(report)


def test_what_is_missing_or_left_over_is_told(stroke: Path) -> None:
    tables = "train/phenotype/{0}/ses-01/{0}_ses-01_demographic_baseline.xlsx"
    one, two, gone = (stroke / tables.format(f"sub-stroke{n:04d}") for n in (1, 2, 9))
    shutil.copy(one, one.with_name(f"old_{one.name}"))
    two.unlink()
    gone.parent.mkdir(parents=True)
    shutil.copy(one, gone)
    (stroke / "train/clinical_data-description.xlsx").unlink()
    trees.put(stroke, f"{RAW}mra.nii.gz", b"")
    trees.put(stroke, "more/centres.csv", "a,b")
    report = check(stroke, "isles24")
    assert codes(report, "error") == {"table-twice"}
    assert codes(report, "warning") == {"table-missing", "table-alone", "description-missing", "image-unused"}
    assert codes(report, "note") == {"image-spare", "table-spare", "face-unclear"}
    unused, missing = report.finding("image-unused"), report.finding("table-missing")
    assert unused and unused.places == ((f"{RAW}mra.nii.gz", "without bytes"),)
    assert missing and missing.places == (("", "sub-stroke0002: demographic_baseline"),)
    assert codes(check(stroke, "bids")) >= {"participants-missing", "description-missing", "licence-unknown"}


def test_a_freer_licence_is_an_error(clean: Path) -> None:
    assert codes(check(clean / "isles24", "isles24", replace(PART, licence="cc-by-4.0"))) == {"licence-freer"}
    assert check(clean / "arc", "arc", replace(PART, licence="cc-by-nc-sa-4.0")).ok
    assert check(clean / "bids", "bids").licence == "cc-by-4.0"


def test_the_wrong_folder_is_an_error_and_not_a_success(tmp_path: Path) -> None:
    for name in ("isles24", "arc", "bids"):
        report = check(tmp_path, name, Options())
        assert codes(report, "error") == {"no-rows"} and (report.rows, report.images) == (0, 0)


def test_a_file_that_changed_since_the_scan_is_found(clean: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(clean / "bids", tmp_path / "tree"))
    tree = scan(root, schema_named("bids"))
    trees.put(root, "sub-01/anat/sub-01_T1w.nii.gz", trees.packed(trees.image(99)))
    (root / "sub-02/anat/sub-02_T1w.nii.gz").unlink()
    assert codes(validate(tree)) == {"file-changed", "file-unreadable"}


def test_a_sample_is_seeded_spread_and_reads_every_header(cohort: Path) -> None:
    tree = scan(cohort, schema_named("arc"))
    first, again, other = (choose(tree, 9, seed) for seed in (1, 1, 2))
    assert first == again != other and sum(want.whole for want in first) == 9
    whole = {want.file.path for want in first if want.whole}
    columns = {c.name for c in tree.schema.images for row in tree.rows for f in row.files[c.name] if f.path in whole}
    assert len(columns) == 7
    for want in first:
        if not want.whole:
            damaged(cohort / want.file.path, "no image")
    report = validate(scan(cohort, schema_named("arc")), replace(PART, sample=9, seed=1))
    found = report.finding("header-bad")
    assert found and len(found.paths) == report.images - 9 and report.read == 9 and report.finding("sampled")
    assert validate(tree, replace(PART, sample=10_000)).finding("sampled") is None
    with pytest.raises(BadPlan):
        validate(tree, Options(sample=-1))


def test_progress_counts_every_byte_and_cancel_stops_at_once(clean: Path) -> None:
    tree = scan(clean / "arc", schema_named("arc"))
    seen: list[Progress] = []
    validate(tree, PART, seen.append)
    assert seen[-1] == Progress(tree.bytes, tree.bytes, len(tree.images), len(tree.images))
    assert [one.bytes for one in seen] == sorted(one.bytes for one in seen)
    with pytest.raises(PublishCancelled):
        validate(tree, PART, cancelled=lambda: True)
    before = threading.active_count()
    answers = iter([False, True])
    with pytest.raises(PublishCancelled):
        validate(tree, PART, cancelled=lambda: next(answers, True))
    assert threading.active_count() == before


def test_a_fault_in_a_worker_is_not_a_clean_report(clean: Path) -> None:
    def broken(_: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        validate(scan(clean / "bids", schema_named("bids")), PART, broken)


@pytest.mark.parametrize("workers", [1, 7])
def test_the_report_is_the_same_however_it_was_made(cohort: Path, workers: int) -> None:
    for how, suffix in (("cut", "T1w"), ("empty", "T2w"), ("long", "FLAIR")):
        damaged(cohort / f"{ANAT}{suffix}.nii.gz", how)
    assert check(cohort, "arc", replace(PART, workers=workers)) == check(cohort, "arc")


def test_sidecars_and_headers_reach_the_report(cohort: Path) -> None:
    trees.put(cohort, f"{ANAT}T1w.json", json.dumps({"PatientName": "Doe^John"}))
    trees.put(cohort, f"{ANAT}T1w.nii.gz", trees.packed(trees.image(1103, texts={"descrip": b"2015-03-12"})))
    report = check(cohort, "arc")
    assert codes(report, "error") == {"sidecar-person", "header-date"} and "John" not in str(report)
