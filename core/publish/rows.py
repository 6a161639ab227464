"""Rows of a dataset to come, and the files they are made of: what the readers of the three layouts hand on.

Knows no layout and opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.publish.findings import Trouble
from core.publish.schema import Schema

Scalar = str | float | int | None


@dataclass(frozen=True)
class FileRef:
    """One file of the source, as its folder lists it.

    Attributes:
        path: "/"-separated, relative to the source's root.
        mtime_ns: when it was last written.
    """

    path: str
    bytes: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """Its own name, without folders."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        row_id: unique within the tree.
        files: image column -> its files in order; () is null. Every image column of the schema is there.
        values: scalar column -> value. Every scalar column of the schema is there.
    """

    row_id: str
    files: Mapping[str, tuple[FileRef, ...]]
    values: Mapping[str, Scalar]

    @property
    def images(self) -> tuple[FileRef, ...]:
        """All of its files, in the order of the columns."""
        return tuple(file for files in self.files.values() for file in files)

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(file.bytes for file in self.images)


@dataclass(frozen=True)
class Listing:
    """All files below a folder, by path and in the paths' order."""

    root: Path
    files: Mapping[str, FileRef]

    def place(self, path: str) -> Path:
        """Where the file lies."""
        return self.root / path


@dataclass(frozen=True)
class Found:
    """What a layout's reader made of a listing.

    Attributes:
        schema: with the columns that rows have.
        tables: paths of the files that values were read from.
        spare: paths of images that the layout knows and the schema does not publish.
        licence: what the tree says of its licence, in its own words; None when it says nothing.
    """

    schema: Schema
    rows: tuple[Row, ...]
    troubles: tuple[Trouble, ...] = ()
    tables: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    licence: str | None = None


_NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


def is_nifti(path: str) -> bool:
    """Whether the name ends as those of images do."""
    return bool(_NIFTI.search(path))


def stem(path: str) -> str:
    """The file's own name without the ending of an image."""
    return _NIFTI.sub("", path.rpartition("/")[2])


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key by which run-2 comes before run-10, and no two texts are equal that differ."""
    parts = re.split(r"([0-9]+)", text)
    key = tuple((0, int(part), "") if at % 2 else (1, 0, part) for at, part in enumerate(parts))
    return (*key, (2, 0, text))
