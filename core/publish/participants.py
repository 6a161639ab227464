"""Participants: what a BIDS tree says of its people (participants.tsv) and of itself (dataset_description.json).

A line that is there twice is told and gives nothing; nobody's line is guessed. Reads no image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.publish.findings import Trouble
from core.publish.rows import Listing, Scalar
from core.publish.tables import Table, read_tsv
from core.publish.values import Wanted, label_key, wanted_values

TABLE = "participants.tsv"
DESCRIPTION = "dataset_description.json"
_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class People:
    """Who is in the table.

    Attributes:
        table: whether there is one that could be read.
        values: participant -> scalars by column.
    """

    table: bool
    values: Mapping[str, Mapping[str, Scalar]]

    def values_of(self, subject: str) -> Mapping[str, Scalar]:
        """The person's scalars; empty for whom the table does not know."""
        return self.values.get(subject, {})

    def unmatched(self, subjects: Iterable[str]) -> list[Trouble]:
        """People without a line, and lines without a person."""
        if not self.table:
            return []
        here = set(subjects)
        return [
            *(Trouble("participant-missing", TABLE, name) for name in sorted(here - set(self.values))),
            *(Trouble("participant-alone", TABLE, name) for name in sorted(set(self.values) - here)),
        ]


def read_table(listing: Listing) -> tuple[Table | None, list[Trouble]]:
    """The tree's table of participants; None if there is none that can be read."""
    if TABLE not in listing.files:
        return None, [Trouble("participants-missing", "", TABLE)]
    table, troubles = read_tsv(listing.place(TABLE), TABLE)
    if not table.heads:
        return None, troubles
    if not any(map(is_id, table.heads)):
        return None, [*troubles, Trouble("table-heading", TABLE, "participant_id")]
    return table, troubles


def people_of(table: Table | None, wanted: Mapping[str, Wanted]) -> tuple[People, list[Trouble]]:
    """The scalars of everybody in the table."""
    if table is None:
        return People(False, {}), []
    heads = {label_key(head): head for head in reversed(table.heads)} | {head: head for head in table.heads}
    given = {
        name: next((heads[label] for label in want.labels if label in heads), None) for name, want in wanted.items()
    }
    troubles = [Trouble("table-heading", TABLE, name) for name, head in given.items() if head is None]
    known = {name: want for name, want in wanted.items() if given[name] is not None}
    values: dict[str, Mapping[str, Scalar]] = {}
    twice: set[str] = set()
    for line in table.rows:
        name = _participant(line)
        if not name:
            troubles.append(Trouble("participant-nameless", TABLE))
            continue
        twice |= {name} & set(values)
        cells = {key: [line.get(given[key] or "")] for key in known}
        values[name], found = wanted_values(cells, known, TABLE)
        troubles += [Trouble(one.code, one.path, f"{name}: {one.detail}") for one in found]
    troubles += [Trouble("participant-twice", TABLE, name) for name in sorted(twice)]
    return People(True, {name: {} if name in twice else found for name, found in values.items()}), troubles


def read_participants(listing: Listing, wanted: Mapping[str, Wanted]) -> tuple[People, tuple[str, ...], list[Trouble]]:
    """Everybody's scalars, the paths of the tables they come from, and what was doubtful."""
    table, troubles = read_table(listing)
    people, found = people_of(table, wanted)
    return people, (TABLE,) if TABLE in listing.files else (), [*troubles, *found]


def read_licence(listing: Listing) -> tuple[str | None, tuple[str, ...], list[Trouble]]:
    """What the tree says of its licence, the path it stands in, and what was doubtful."""
    if DESCRIPTION not in listing.files:
        return None, (), [Trouble("description-missing", "", DESCRIPTION)]
    found = read_json(listing, DESCRIPTION)
    if not isinstance(found, dict):
        return None, (DESCRIPTION,), [Trouble("json-unreadable", DESCRIPTION)]
    licence = found.get("License", found.get("Licence"))
    return licence.strip() if isinstance(licence, str) and licence.strip() else None, (DESCRIPTION,), []


def read_json(listing: Listing, path: str) -> Any:
    """What a small JSON file holds; None if it cannot be read."""
    try:
        if listing.files[path].bytes > _MOST_BYTES:
            return None
        return json.loads(listing.place(path).read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def is_id(head: str) -> bool:
    """Whether a column names the participants."""
    return label_key(head) in ("participantid", "subjectid", "participant", "subject")


def _participant(line: Mapping[str, str]) -> str:
    name = next((cell.strip() for head, cell in line.items() if is_id(head)), "")
    return name if not name or name.startswith("sub-") else f"sub-{name}"
