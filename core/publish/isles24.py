"""The ISLES'24 layout: raw_data/, derivatives/ and phenotype/ by subject, as Zenodo gives it, with or without train/.

Decides by names which file is which column. Opens only the small tables of the phenotype folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from core.publish.choosing import Chooser
from core.publish.findings import Trouble
from core.publish.rows import Found, Listing, Row, Scalar, natural, stem
from core.publish.schema import Schema
from core.publish.tables import check_workbook, read_labels
from core.publish.values import Wanted, wanted_values, words_for_nothing

_IMAGE = re.compile(
    r"(raw_data|derivatives)/(sub-[^/]+)/(ses-[^/]+)/(?:(perfusion-maps)/)?[^/]+\.nii(?:\.gz)?", re.IGNORECASE
)
_TABLE = re.compile(r"phenotype/(sub-[^/]+)/ses-[^/]+/[^/]*(demographic_baseline|outcome)\.xlsx", re.IGNORECASE)
_OURS = re.compile(r"(^|/)derivatives/strokescope[^/]*/", re.IGNORECASE)
DESCRIPTION = "clinical_data-description.xlsx"

_MAPS = ("tmax", "mtt", "cbf", "cbv")
_PLACES: dict[tuple[str, str, bool, str], tuple[str, int]] = {  # -> column, rank (1 only where 0 is absent)
    **{("raw_data", "ses-01", False, name): (name, 0) for name in ("ncct", "cta", "ctp")},
    ("derivatives", "ses-01", False, "space-ncct_cta"): ("cta", 1),
    ("derivatives", "ses-01", False, "space-ncct_lvo-msk"): ("lvo_mask", 0),
    ("derivatives", "ses-01", False, "space-ncct_cow-msk"): ("cow_segmentation", 0),
    **{("derivatives", "ses-01", True, f"space-ncct_{name}"): (name, 0) for name in _MAPS},
    **{("derivatives", "ses-02", False, f"space-ncct_{name}"): (name, 0) for name in ("dwi", "adc")},
    ("derivatives", "ses-02", False, "space-ncct_lesion-msk"): ("lesion_mask", 0),
}
_SPARE: dict[tuple[str, str, bool, str], str] = {  # known, and not published; -> the column that holds its like
    **{("raw_data", "ses-01", True, name): name for name in _MAPS},
    ("derivatives", "ses-01", False, "space-ncct_ctp"): "ctp",
}
LABELS = {
    "demographic_baseline": {
        "age": Wanted("age", ("age", "ageyears", "ageinyears"), "float", (0, 120)),
        "sex": Wanted("sex", ("sex", "gender"), "string"),
        "nihss_admission": Wanted(
            "nihss_admission", ("nihssatadmission", "nihssadmission", "admissionnihss", "nihss"), "float", (0, 42)
        ),
        "mrs_admission": Wanted("mrs_admission", ("mrsatadmission", "mrsadmission", "admissionmrs"), "float", (0, 6)),
    },
    "outcome": {
        "mrs_3month": Wanted(
            "mrs_3month", ("mrs3months", "mrs3month", "mrsat3months", "mrsat3month", "mrs90days"), "float", (0, 6)
        ),
    },
}


def read(listing: Listing, schema: Schema, pause: Callable[[], None]) -> Found:
    """The rows of a tree in this layout, one per subject; `pause` may raise to stop."""
    base = _base(listing.files)
    images, spare = _sort(listing, base, pause)
    tables = _tables(listing.files, base)
    troubles = [*images.troubles, *(Trouble("table-alone", paths[0]) for s, paths in tables.items() if s not in images)]
    rows = []
    for subject in sorted(images.rows, key=natural):
        pause()
        files, found = images.row(subject, schema)
        values, more = _values(listing, tables.get(subject, ()), subject)
        troubles += [*found, *more]
        rows.append(Row(subject, files, {c.name: values.get(c.name) for c in schema.scalars}))
    taken = {file.path for row in rows for file in row.images}
    without = {row.row_id for row in rows if not row.files["ctp"]}
    troubles += [
        Trouble("derivative-alone", path, column)
        for path, (subject, column) in spare.items()
        if column == "ctp" and subject in without
    ]
    about, odd = _description(listing, base)
    return Found(
        schema,
        tuple(rows),
        (*troubles, *odd),
        tables=(*about, *sorted(path for paths in tables.values() for path in paths)),
        spare=tuple(sorted({*spare, *images.second} - taken)),
    )


def _base(files: Mapping[str, object]) -> str:
    inside = any(path.lower().startswith(("train/raw_data/", "train/derivatives/")) for path in files)
    return "train/" if inside else ""


def _sort(listing: Listing, base: str, pause: Callable[[], None]) -> tuple[Chooser, dict[str, tuple[str, str]]]:
    """The images by subject and column, and those that are known but not published with (subject, column)."""
    images, spare = Chooser(), {}
    for path, file in listing.files.items():
        pause()
        found = _IMAGE.fullmatch(path.removeprefix(base)) if path.startswith(base) and not _OURS.search(path) else None
        if found is None:
            continue
        area, subject, session, maps = found[1].lower(), found[2], found[3], bool(found[4])
        start, name = f"{subject}_{session}_", stem(path)
        if not name.startswith(start):
            images.misnamed(path, name, start)
            continue
        place = (area, _session(session), maps, name.removeprefix(start).lower())
        if place in _SPARE:
            images.add_row(subject)
            spare[path] = (subject, _SPARE[place])
        elif place in _PLACES:
            column, rank = _PLACES[place]
            images.add(subject, column, file, rank)
    return images, spare


def _session(name: str) -> str:
    number = name.lower().removeprefix("ses-").lstrip("0")
    return f"ses-0{number}"


def _tables(files: Mapping[str, object], base: str) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for path in files:
        found = _TABLE.fullmatch(path.removeprefix(base)) if path.startswith(base) else None
        if found is not None and not path.rpartition("/")[2].startswith("~$"):  # a lock of a spreadsheet program
            tables.setdefault(found[1], []).append(path)
    return tables


def _values(listing: Listing, paths: list[str] | tuple[()], subject: str) -> tuple[dict[str, Scalar], list[Trouble]]:
    """The scalars of one subject from its workbooks."""
    values: dict[str, Scalar] = {"subject_id": subject}
    troubles: list[Trouble] = []
    kinds: dict[str, list[str]] = {}
    for path in paths:
        found = _TABLE.search(path)
        kinds.setdefault(found[2].lower() if found else "", []).append(path)
    for kind, labels in LABELS.items():
        given = kinds.get(kind, [])
        if not given:
            troubles.append(Trouble("table-missing", "", f"{subject}: {kind}"))
        troubles += [Trouble("table-twice", path, subject) for path in given[1:]]
        for path in given[:1]:
            cells, odd = read_labels(listing.place(path), path, labels)
            known, more = wanted_values(cells, labels, path)
            values.update(known)
            troubles += [*odd, *(more if not odd else []), *words_for_nothing(cells, labels, path)]
    return values, troubles


def _description(listing: Listing, base: str) -> tuple[tuple[str, ...], tuple[Trouble, ...]]:
    """The workbook that explains the others: there, and readable."""
    path = base + DESCRIPTION
    if path not in listing.files:
        return (), (Trouble("description-missing", "", path),)
    return (path,), tuple(check_workbook(listing.place(path), path))
