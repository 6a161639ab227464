"""Tree: a source folder as the rows that will be published.

Stats files and reads small tables; opens no image (validate.py does).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import PublishCancelled
from core.publish import arc, generic, isles24
from core.publish.findings import Trouble
from core.publish.rows import FileRef as FileRef
from core.publish.rows import Row as Row
from core.publish.rows import is_nifti
from core.publish.schema import Schema
from core.publish.walk import walk

_READERS = {"isles24": isles24.read, "arc": arc.read, "bids": generic.read}


@dataclass(frozen=True)
class Tree:
    """A source folder, read.

    Attributes:
        root: the folder, absolute.
        schema: with the columns that rows have; for `bids` those that were found.
        rows: in the order in which they will be published.
        loose: files that neither a row nor a table took, in the paths' order.
        tables: files that values were read from.
        spare: images among `loose` that the layout knows and the schema does not publish.
        problems: what reading it brought to light.
        licence: what the tree says of its licence, in its own words; None when it says nothing.
    """

    root: Path
    schema: Schema
    rows: tuple[Row, ...]
    loose: tuple[FileRef, ...] = ()
    tables: tuple[FileRef, ...] = ()
    spare: tuple[FileRef, ...] = ()
    problems: tuple[Trouble, ...] = ()
    licence: str | None = None

    @property
    def images(self) -> tuple[FileRef, ...]:
        """The files of all rows."""
        return tuple(file for row in self.rows for file in row.images)

    @property
    def bytes(self) -> int:
        """Of all rows' files."""
        return sum(row.bytes for row in self.rows)

    @property
    def unused(self) -> tuple[FileRef, ...]:
        """Images that no row took and the layout does not know."""
        spare = {file.path for file in self.spare}
        return tuple(file for file in self.loose if is_nifti(file.path) and file.path not in spare)


def never() -> bool:
    """Goes on."""
    return False


def scan(root: Path, schema: Schema, cancelled: Callable[[], bool] = never) -> Tree:
    """Read a source folder.

    Args:
        schema: from `schema_named`; that of the result has its columns.
        cancelled: asked at every file and line.

    Raises:
        BadTree: no such folder, or it cannot be read. PublishCancelled.
    """

    def pause() -> None:
        if cancelled():
            raise PublishCancelled("stopped", hint="run it again to go on")

    listing, troubles = walk(root, pause=pause)
    found = _READERS[schema.name](listing, schema, pause)
    taken = {file.path for row in found.rows for file in row.images} | set(found.tables)
    return Tree(
        root=listing.root,
        schema=found.schema,
        rows=found.rows,
        loose=tuple(file for path, file in listing.files.items() if path not in taken),
        tables=tuple(listing.files[path] for path in found.tables),
        spare=tuple(listing.files[path] for path in found.spare if path not in taken),
        problems=(*troubles, *found.troubles),
        licence=found.licence,
    )
