"""Checks: what can be said of a tree without opening an image.

Pure: counts, required images, names, and what the values of rows would tell of people.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from core.publish.findings import Trouble
from core.publish.rows import Scalar, is_nifti
from core.publish.schema import Column
from core.publish.texts import holds_date, is_full_name, is_titled, may_name, surely_names
from core.publish.tree import Tree

_PERSON = re.compile(
    r"((first|last|sur|given|family|full|maiden|patient|subject)_?)?names?|initials|(date|day)_?of_?birth|birth_?(date|day)"
    r"|dob|mrn|ssn|(medical_)?record_?(number|no)|(patient|hospital|insurance|social_security)_?(id|number|no)|passport"
    r"|(e_?mail|home|street)?_?address|e_?mail|(tele|mobile_?)?phone(_?number)?|zip(_?code)?|post(al)?_?code"
)
_STAFF = re.compile(
    r"^who$|(^|_)(surgeon|physician|doctor|neurologist|radiologist|operator|rater|reader|investigator|examiner|nurse"
    r"|therapist|contact|caregiver|relative|spouse|referrer|referred_by)($|_)"
)
_REMARKS = re.compile(r"(^|_)(comments?|notes?|remarks?|free_?text|narrative|anamnesis)($|_)")
_OTHERS = (
    ".img",
    ".hdr",
    ".mgz",
    ".mgh",
    ".nrrd",
    ".mha",
    ".mhd",
    ".mnc",
    ".dcm",
    ".ima",
    ".nii.bz2",
    ".nii.zst",
    ".zip",
)
_TABLES = (".tsv", ".csv", ".xlsx", ".xls")
_OLD = 89
_MOST = 500  # letters of a cell in which names are looked for
_LONG = 40  # letters, from which a text is more than a category


def check_tree(tree: Tree, counts: bool) -> list[Trouble]:
    """Everything.

    Args:
        counts: whether the tree is the whole dataset, so that its numbers must be right.
    """
    if not tree.rows:
        return [*tree.problems, Trouble("no-rows")]
    found = [*tree.problems, *_required(tree), *_spellings(tree), *_left(tree), *_people(tree), *_names(tree)]
    return found + (list(_counts(tree)) if counts else [])


def _counts(tree: Tree) -> Iterator[Trouble]:
    schema = tree.schema
    subjects = len({row.values["subject_id"] for row in tree.rows})
    for what, count, expected, code in (
        ("rows", len(tree.rows), schema.rows, "rows-count"),
        ("subjects", subjects, schema.subjects, "rows-count"),
    ):
        yield from _count(what, count, expected, schema.tolerance, code)
    for column in schema.images:
        count = sum(bool(row.files[column.name]) for row in tree.rows)
        yield from _count(column.name, count, column.expected, column.tolerance, "column-count")


def _count(what: str, count: int, expected: int | None, tolerance: float, code: str) -> Iterator[Trouble]:
    if expected is None or count == expected:
        return
    off = abs(count - expected) > round(tolerance * expected)
    yield Trouble(code if off else "counts-near", "", f"{what}: {count} of {'about ' * bool(tolerance)}{expected}")


def _required(tree: Tree) -> Iterator[Trouble]:
    needed = [column.name for column in tree.schema.images if column.required]
    for row in tree.rows:
        for name in needed:
            if not row.files[name]:
                yield Trouble("image-missing", "", f"{row.row_id}: {name}")


def _spellings(tree: Tree) -> Iterator[Trouble]:
    spelled: dict[str, set[str]] = {}
    for row in tree.rows:
        subject = str(row.values["subject_id"])
        spelled.setdefault(unicodedata.normalize("NFKC", subject).casefold(), set()).add(subject)
    for names in spelled.values():
        if len(names) > 1:
            yield Trouble("subject-twice", "", ", ".join(sorted(names)))


def _left(tree: Tree) -> Iterator[Trouble]:
    misfiled = {one.path for one in tree.problems if one.code == "misfiled"}
    for file in tree.unused:
        if file.path not in misfiled:
            yield Trouble("image-unused", file.path, "" if file.bytes else "without bytes")
    told = {one.path for one in tree.problems}
    yield from (Trouble("image-spare", file.path) for file in tree.spare if file.path not in told)
    for file in tree.loose:
        if file.path.lower().endswith(_TABLES) and not is_nifti(file.path):
            yield Trouble("table-spare", file.path)
        elif file.path.lower().endswith(_OTHERS):
            yield Trouble("image-foreign", file.path)


def _people(tree: Tree) -> Iterator[Trouble]:
    for column in tree.schema.scalars:
        name = re.sub(r"[^a-z0-9]+", "_", column.name.lower()).strip("_")
        is_id = column.name in ("subject_id", "session_id")
        texts = _texts(tree, column)
        if not is_id and _PERSON.fullmatch(name):
            yield Trouble("column-person", "", column.name)
            continue
        if not is_id:
            yield from _named(column.name, bool(_STAFF.search(name)), texts)
        if any(holds_date(text) for text in texts):
            yield Trouble("column-date", "", column.name)
        elif any(
            (len(text) > _LONG and text.count(" ") > 3) or (_REMARKS.search(name) and " " in text) for text in texts
        ):
            yield Trouble("column-text", "", column.name)
        if "age" in name.split("_"):
            yield from _ages(tree, column)


def _texts(tree: Tree, column: Column) -> dict[str, int]:
    """Every text of the column, and how many subjects have it."""
    found: dict[str, set[Scalar]] = {}
    for row in tree.rows:
        value = row.values[column.name]
        if isinstance(value, str):
            found.setdefault(value, set()).add(row.values["subject_id"])
    return {text: len(subjects) for text, subjects in found.items()}


def _named(column: str, of_staff: bool, texts: Mapping[str, int]) -> Iterator[Trouble]:
    """Cells that name somebody, and those that may: a text that several subjects have is a label like "Boston, MA"."""
    texts = {text[:_MOST]: count for text, count in texts.items()}
    surely = sum(surely_names(text) for text in texts)
    maybe = sum(
        is_titled(text)
        or ((count == 1 or of_staff) and may_name(text) and not holds_date(text))
        or (of_staff and is_full_name(text))
        for text, count in texts.items()
        if not surely_names(text)
    )
    for code, count in (("column-person", surely), ("column-names", maybe)):
        if count:
            yield Trouble(code, "", f"{column}: {count} text{'s' * (count > 1)}")


def _names(tree: Tree) -> Iterator[Trouble]:
    """An image's file name is published with it."""
    for file in tree.images:
        if holds_date(file.name):
            yield Trouble("name-date", file.path)


def _ages(tree: Tree, column: Column) -> Iterator[Trouble]:
    for row in tree.rows:
        value = row.values[column.name]
        if isinstance(value, int | float) and value > _OLD:
            yield Trouble("age-high", "", f"{row.row_id}: {column.name}")
