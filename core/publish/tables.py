"""Tables: the small spreadsheets and tab-separated tables beside images.

Finds headings and the cells that belong to them, whatever the sheet looks like; judges no value (values.py). A table
that cannot be read is told, never guessed, and one that would unpack to more than it should is not unpacked.
"""

from __future__ import annotations

import csv
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from pathlib import Path

from core.publish.findings import Trouble
from core.publish.values import NotThat, Unread, Wanted, is_empty, label_key, scalar

_MOST_BYTES = 12_000_000  # of a table as it lies on disk: 300 000 people; in memory it is 20 times as much
_MOST_UNPACKED = 128_000_000  # of a workbook
_MOST_CELLS = 200  # rows and columns of one patient's sheet
_MOST_SHEETS = 20
_SHEET, _HAS_FORMULA = re.compile(r"xl/worksheets/[^/]+\.xml$"), re.compile(rb"<(\w+:)?f[ />]")
_FORMULA, _APART = Unread("a formula that nobody computed"), Unread("something below an empty cell")
_GAP = 3  # empty cells below a heading after which something may still be meant for it, as merged cells leave
Cells = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Table:
    """A tab-separated table.

    Attributes:
        heads: as they are written.
        rows: cells by heading; a row that is too short lacks some.
    """

    heads: tuple[str, ...] = ()
    rows: tuple[Mapping[str, str], ...] = ()


def read_labels(place: Path, path: str, wanted: Mapping[str, Wanted]) -> tuple[dict[str, list[object]], list[Trouble]]:
    """Name -> the cells under (or beside) its heading in any sheet of a workbook; an empty list where all are empty.

    Args:
        place: where the workbook lies.
        path: how it is called in troubles.
    """
    sheets, troubles = _sheets(place, path)
    by_sheet = [_labelled(cells, wanted) for cells in sheets]
    telling = [found for found in by_sheet if _tells(found, wanted)]  # others only explain the headings
    merged: dict[str, list[object]] = {}
    for found in telling or by_sheet:
        for name, said in found.items():
            merged.setdefault(name, []).extend(said)
    return merged, troubles


def check_workbook(place: Path, path: str) -> list[Trouble]:
    """Whether a workbook can be read at all."""
    return _sheets(place, path)[1]


def read_tsv(place: Path, path: str) -> tuple[Table, list[Trouble]]:
    """A tab-separated table with a heading row, in UTF-8; what is doubtful in it is told."""
    try:
        if place.stat().st_size > _MOST_BYTES:
            return Table(), [Trouble("table-large", path, f"more than {_MOST_BYTES // 10**6} MB")]
        with place.open(encoding="utf-8-sig", newline="") as file:
            return _table(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), path)
    except OSError as error:
        return Table(), [Trouble("table-unreadable", path, error.strerror or "")]
    except UnicodeDecodeError:
        return Table(), [Trouble("table-unreadable", path, "not UTF-8")]
    except csv.Error:
        return Table(), [Trouble("table-unreadable", path, "not a table")]


def _table(lines: Iterator[list[str]], path: str) -> tuple[Table, list[Trouble]]:
    """The table of these lines, the first of which is its heading; equal cells are one text in memory."""
    lines = (line for line in lines if any(cell.strip() for cell in line))
    heads = tuple(_bare(cell) for cell in next(lines, ()))
    if not heads:
        return Table(), [Trouble("table-unreadable", path, "empty")]
    troubles = [Trouble("table-heading-twice", path, h) for h in sorted({h for h in heads if heads.count(h) > 1})]
    rows: list[Mapping[str, str]] = []
    uneven, known = 0, dict[str, str]()
    for line in lines:
        uneven += len(line) != len(heads)
        cells = ((h, _bare(cell)) for h, cell in zip(heads, line, strict=False) if h)
        rows.append({h: known.setdefault(cell, cell) for h, cell in cells})
    if uneven:
        troubles.append(Trouble("table-uneven", path, f"{uneven} of {len(rows)} lines"))
    return Table(tuple(dict.fromkeys(h for h in heads if h)), tuple(rows)), troubles


def _bare(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1].replace('""', '"').strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _sheets(place: Path, path: str) -> tuple[list[list[tuple[object, ...]]], list[Trouble]]:
    """The cells of every sheet that has some."""
    try:
        if place.stat().st_size == 0:
            return [], [Trouble("table-unreadable", path, "empty")]
        with zipfile.ZipFile(place) as parts:
            if sum(part.file_size for part in parts.infolist()) > _MOST_UNPACKED:
                return [], [Trouble("table-unreadable", path, "it would unpack to more than a table can be")]
            has_formulas = any(
                _HAS_FORMULA.search(parts.read(name)) for name in parts.namelist() if _SHEET.search(name)
            )
        sheets = _loaded(place, values=True)
        if has_formulas:
            sheets = [_told(*both) for both in zip(sheets, _loaded(place, values=False), strict=True)]
    except OSError as error:
        return [], [Trouble("table-unreadable", path, error.strerror or "not a workbook")]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, zipfile.BadZipFile, SyntaxError):
        return [], [Trouble("table-unreadable", path, "not a workbook")]  # openpyxl's ways of saying so
    sheets = [cells for cells in sheets if any(cell is not None for row in cells for cell in row)]
    return sheets, [] if sheets else [Trouble("table-unreadable", path, "no cell holds anything")]


def _loaded(place: Path, values: bool) -> list[list[tuple[object, ...]]]:
    """The cells of every sheet, of formulas their values or the formulas themselves."""
    import openpyxl  # slow to import, and most trees have no workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # styles and validations that it does not know
        book = openpyxl.load_workbook(place, read_only=True, data_only=values)
        try:
            return [_cells(sheet) for sheet in book.worksheets[:_MOST_SHEETS]]
        finally:
            book.close()


def _told(values: list[tuple[object, ...]], formulas: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The values, with a mark where a formula has none: such a cell is not empty, it is not known."""
    return [
        tuple(_FORMULA if said is None and cell is not None else said for said, cell in zip_longest(row, other))
        for row, other in zip_longest(values, formulas, fillvalue=())
    ]


def _cells(sheet: object) -> list[tuple[object, ...]]:
    sheet.reset_dimensions()  # type: ignore[attr-defined]  # what a file says of its size is often wrong
    rows = sheet.iter_rows(max_row=_MOST_CELLS, max_col=_MOST_CELLS, values_only=True)  # type: ignore[attr-defined]
    return [tuple(row) for row in rows]


def _labelled(cells: Cells, wanted: Mapping[str, Wanted]) -> dict[str, list[object]]:
    labels = {label: want for want in wanted.values() for label in want.labels}
    found: dict[str, list[object]] = {}
    for r, row in enumerate(cells):
        for c, cell in enumerate(row):
            want = labels.get(label_key(cell))
            if want is not None:
                said = _cells_of(cells, r, c, want, labels)
                found.setdefault(want.name, []).extend(cell for cell in said if not is_empty(cell))
    return found


def _tells(found: Mapping[str, list[object]], wanted: Mapping[str, Wanted]) -> bool:
    """Whether a number stands where one should."""
    return any(
        _fits(cell, wanted[name]) for name, said in found.items() if wanted[name].kind != "string" for cell in said
    )


def _cells_of(cells: Cells, r: int, c: int, want: Wanted, labels: Mapping[str, Wanted]) -> list[object]:
    """The cells that belong to the heading at (r, c): those below it without a gap, or the one to its right."""
    right, below = _at(cells, r, c + 1), _at(cells, r + 1, c)
    if label_key(right) in labels:
        beside = False
    elif label_key(below) in labels or is_empty(below):
        beside = not is_empty(right)
    elif is_empty(right):
        beside = False
    else:  # both say something, and neither is a heading that we know
        beside = _fits(right, want) and not (_fits(below, want) and isinstance(right, str))
    if beside:
        return [right]
    column = [_at(cells, row, c) for row in range(r + 1, len(cells))]
    found = list(takewhile(lambda cell: cell is not None, column))
    apart = next((cell for cell in column[: _GAP + 1] if cell is not None), None)
    return found or ([_APART] if apart is not None and label_key(apart) not in labels else [])


def _fits(raw: object, want: Wanted) -> bool:
    try:
        return scalar(raw, want.kind) is not None
    except NotThat:
        return False


def _at(cells: Cells, r: int, c: int) -> object:
    return cells[r][c] if r < len(cells) and c < len(cells[r]) else None
