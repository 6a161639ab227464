"""Grids: whether each mask of a row lies on the grid of the image that it marks, and whether two rows are one.

Pure: works on headers that were read (look.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from core.imaging.geometry import same_grid
from core.imaging.header import Header
from core.publish.findings import Trouble
from core.publish.look import Look
from core.publish.rows import Row
from core.publish.schema import Column, Schema


def check_masks(row: Row, schema: Schema, looks: Mapping[str, Look]) -> list[Trouble]:
    """Masks of the row that lie elsewhere than their image. Says nothing where the row has no such image."""
    found = []
    for column in schema.images:
        for file in row.files[column.name] if column.is_mask else ():
            header = looks[file.path].header if file.path in looks else None
            code = None if header is None else _code(header, column, row, schema, looks)
            if header is not None and code is not None:
                found.append(Trouble(code, file.path, f"{column.name} is {_words(header)}"))
    return found


def same_images(rows: tuple[Row, ...], schema: Schema, looks: Mapping[str, Look]) -> list[Trouble]:
    """Images, masks aside, whose voxels are those of another row's image in the same column."""
    first: dict[tuple[str, int, int], Row] = {}
    found = []
    for row in rows:
        for column in schema.images:
            for file in row.files[column.name] if not column.is_mask else ():
                look = looks.get(file.path)
                if look is None or look.voxels is None or look.header is None:
                    continue
                other = first.setdefault((column.name, look.header.raw_bytes, look.voxels), row)
                if other is not row:
                    found.append(Trouble("image-same", file.path, f"as in {other.row_id}"))
    return found


def _code(header: Header, column: Column, row: Row, schema: Schema, looks: Mapping[str, Look]) -> str | None:
    own = _headers(column.like, row, looks)
    if not own or any(_same(header, other) for other in own):
        return None
    plain = tuple(other.name for other in schema.images if not other.is_mask)
    return "grid-other" if any(_same(header, other) for other in _headers(plain, row, looks)) else "grid-differs"


def _headers(names: tuple[str, ...], row: Row, looks: Mapping[str, Look]) -> list[Header]:
    found = [looks[file.path].header for name in names for file in row.files[name] if file.path in looks]
    return [header for header in found if header is not None]


def _same(a: Header, b: Header) -> bool:
    return same_grid(a.grid, a.affine, b.grid, b.affine)


def _words(header: Header) -> str:
    sizes = " × ".join(f"{size:.3g}" for size in header.spacing_mm)
    return f"{' × '.join(map(str, header.grid))} voxels of {sizes} mm"
