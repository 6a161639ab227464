"""Clinical scalars from the tables that lie beside images: participants.tsv and the ISLES'24 phenotype workbooks.

A value that is missing, odd or out of range is None, never guessed; a table that cannot be read gives nothing. Reads no
images.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.case import Clinical

_NAMES = {
    "age": "age",
    "ageatstroke": "age",
    "sex": "sex",
    "gender": "sex",
    "nihss": "nihss_admission",
    "nihssadmission": "nihss_admission",
    "nihssatadmission": "nihss_admission",
    "mrsadmission": "mrs_admission",
    "mrsatadmission": "mrs_admission",
    "mrs3month": "mrs_3month",
    "mrs3months": "mrs_3month",
    "mrsat3months": "mrs_3month",
}
_RANGES = {"age": (0, 120), "nihss_admission": (0, 42), "mrs_admission": (0, 6), "mrs_3month": (0, 6)}
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M"}
_MOST_ROWS = 200  # of one patient's workbook


def read_participants(path: Path) -> dict[str, Clinical]:
    """participant_id -> scalars of a BIDS participants.tsv; empty when it is absent or broken."""
    try:
        return parse_participants(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return {}


def parse_participants(text: str) -> dict[str, Clinical]:
    """The same of a table's text."""
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
    except csv.Error:
        return {}
    found: dict[str, Clinical] = {}
    for row in rows:
        name = row.get("participant_id")
        if name:
            found[name.strip()] = merge(Clinical(), {str(key): value for key, value in row.items()})
    return found


def read_workbook(path: Path) -> dict[str, object]:
    """Label -> value of one patient's .xlsx: values below their labels, or to the right of them; empty when broken."""
    import openpyxl  # slow to import, and most folders have no workbook

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            rows = [tuple(row) for row in sheet.iter_rows(max_row=_MOST_ROWS, max_col=_MOST_ROWS, values_only=True)]
        finally:
            book.close()
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile, SyntaxError):
        return {}  # openpyxl's ways of saying "not a workbook"; SyntaxError is a broken XML part's
    return _labelled(rows)


def merge(clinical: Clinical, values: Mapping[str, object]) -> Clinical:
    """The scalars, with those that `values` (label -> raw value) knows and that make sense."""
    for label, raw in values.items():
        name = _field(label)
        if name == "sex":
            clinical = replace(clinical, sex=_sex(raw) or clinical.sex)
        elif name is not None and (value := _number(raw, name)) is not None:
            clinical = replace(clinical, **{name: value})  # type: ignore[arg-type]  # a number's field, by _RANGES
    return clinical


def _labelled(rows: Sequence[Sequence[object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for row, below in zip(rows, [*rows[1:], ()], strict=True):
        places = [at for at, cell in enumerate(row) if _field(cell) is not None]
        listed = places == [0] and len(row) > 1 and row[1] is not None  # label and value side by side
        for at in places:
            value = row[1] if listed else below[at] if at < len(below) else None
            found.setdefault(str(row[at]), value)
    return found


def _field(label: object) -> str | None:
    return _NAMES.get("".join(c for c in label.lower() if c.isalnum())) if isinstance(label, str) else None


def _sex(raw: object) -> str | None:
    return _SEXES.get(raw.strip().lower()) if isinstance(raw, str) else None


def _number(raw: object, name: str) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw)
    except ValueError:
        return None
    low, high = _RANGES[name]
    return value if math.isfinite(value) and low <= value <= high else None
