"""Choosing: which of several files become a row's images, and which stay behind.

Pure: gets names, gives rows. Every file that stays behind is in `second` or told as a trouble.
"""

from __future__ import annotations

import re

from core.publish.findings import Trouble
from core.publish.rows import FileRef, natural, stem
from core.publish.schema import Column, Schema

_SUBJECT = re.compile(r"sub-[^_]+(_ses-[^_]+)?")


class Chooser:
    """Files by row and column, as they are met.

    Attributes:
        rows: ids of all rows that have an image, of whatever column.
        troubles: files that lie under a name that is not theirs.
        second: paths that gave way to others.
    """

    def __init__(self) -> None:
        self.rows: set[str] = set()
        self.troubles: list[Trouble] = []
        self.second: set[str] = set()
        self._offers: dict[tuple[str, str], list[tuple[int, FileRef]]] = {}

    def __contains__(self, row_id: str) -> bool:
        return row_id in self.rows

    def add_row(self, row_id: str) -> None:
        """A row that has something, though nothing that is published."""
        self.rows.add(row_id)

    def add(self, row_id: str, column: str, file: FileRef, rank: int = 0) -> None:
        """An offer; of several ranks only the smallest counts."""
        self.rows.add(row_id)
        self._offers.setdefault((row_id, column), []).append((rank, file))

    def misnamed(self, path: str, name: str, start: str) -> None:
        """A file in the folder of `start` whose name begins otherwise: a trouble if it names somebody else."""
        if _SUBJECT.match(name) and not name.startswith(start):
            self.troubles.append(Trouble("misfiled", path, f"its folder is that of {start.rstrip('_')}"))

    def row(self, row_id: str, schema: Schema) -> tuple[dict[str, tuple[FileRef, ...]], list[Trouble]]:
        """The row's files by column, in the schema's order, and what was doubtful."""
        files, troubles = {}, []
        for column in schema.images:
            chosen, found = self._choose(self._offers.get((row_id, column.name), []), column)
            files[column.name] = chosen
            troubles += found
        return files, troubles

    def most(self, column: str) -> int:
        """The most files that any row has in this column."""
        return max((len(_twins(offers)[0]) for (_, name), offers in self._offers.items() if name == column), default=0)

    def _choose(self, offers: list[tuple[int, FileRef]], column: Column) -> tuple[tuple[FileRef, ...], list[Trouble]]:
        best = min((rank for rank, _ in offers), default=0)
        self.second |= {file.path for rank, file in offers if rank > best}
        files, twins = _twins([offer for offer in offers if offer[0] == best])
        troubles = [Trouble("packed-twice", file.path, column.name) for file in twins]
        kept = files if column.kind == "images" else files[:1]
        troubles += [Trouble("several-files", f.path, f"{column.name} is {kept[0].name}") for f in files[len(kept) :]]
        self.second |= {file.path for file in (*twins, *files[len(kept) :])}
        return kept, troubles


def _twins(offers: list[tuple[int, FileRef]]) -> tuple[tuple[FileRef, ...], tuple[FileRef, ...]]:
    """The files in their natural order, and those that are there packed as well."""
    ordered = sorted(
        (file for _, file in offers), key=lambda f: (natural(_place(f)), not f.path.lower().endswith("gz"))
    )
    kept: list[FileRef] = []
    twins: list[FileRef] = []
    for file in ordered:
        (twins if kept and _place(kept[-1]) == _place(file) else kept).append(file)
    return tuple(kept), tuple(twins)


def _place(file: FileRef) -> str:
    return f"{file.path.rpartition('/')[0]}/{stem(file.path)}"
