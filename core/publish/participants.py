"""Participants: what a BIDS tree says of its people (participants.tsv) and of itself (dataset_description.json).

A line that is there twice is told and gives nothing; nobody's line is guessed. Reads no image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.publish.findings import Trouble
from core.publish.rows import Listing, Scalar
from core.publish.tables import Table, read_tsv
from core.publish.values import Wanted, label_key, wanted_values, words_for_nothing

TABLE = "participants.tsv"
DESCRIPTION = "dataset_description.json"
_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class People:
    """Who is in the table.

    Attributes:
        table: whether there is one that could be read.
        names: everybody who has a line.
        values: participant -> scalars by column, of those whose images are there.
    """

    table: bool
    names: frozenset[str]
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
            *(Trouble("participant-missing", TABLE, name) for name in sorted(here - self.names)),
            *(Trouble("participant-alone", TABLE, name) for name in sorted(self.names - here)),
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


def people_of(
    table: Table | None, wanted: Mapping[str, Wanted], here: Collection[str], pause: Callable[[], None]
) -> tuple[People, list[Trouble]]:
    """Who is in the table, with the scalars of those who are here.

    Args:
        here: participants that have images; of a cohort of thousands a part may be.
        pause: called before each line; may raise to stop.
    """
    if table is None:
        return People(False, frozenset(), {}), []
    heads = {label_key(head): head for head in reversed(table.heads)} | {head: head for head in table.heads}
    given = {
        name: next((heads[label] for label in want.labels if label in heads), None) for name, want in wanted.items()
    }
    troubles = [Trouble("table-heading", TABLE, name) for name, head in given.items() if head is None]
    known = {name: want for name, want in wanted.items() if given[name] is not None}
    troubles += words_for_nothing(
        {key: [line.get(given[key] or "") for line in table.rows] for key in known}, known, TABLE
    )
    values: dict[str, Mapping[str, Scalar]] = {}
    names: set[str] = set()
    twice: set[str] = set()
    for line in table.rows:
        pause()
        name = _participant(line)
        if not name:
            troubles.append(Trouble("participant-nameless", TABLE))
            continue
        (twice if name in names else names).add(name)
        if name not in here:
            continue
        cells = {key: [line.get(given[key] or "")] for key in known}
        values[name], found = wanted_values(cells, known, TABLE)
        troubles += [Trouble(one.code, one.path, f"{name}: {one.detail}") for one in found]
    troubles += [Trouble("participant-twice", TABLE, name) for name in sorted(twice)]
    values = {name: {} if name in twice else found for name, found in values.items()}
    return People(True, frozenset(names), values), troubles


def read_participants(
    listing: Listing, wanted: Mapping[str, Wanted], here: Collection[str], pause: Callable[[], None]
) -> tuple[People, tuple[str, ...], list[Trouble]]:
    """The people, the paths of the tables that they come from, and what was doubtful."""
    table, troubles = read_table(listing)
    people, found = people_of(table, wanted, here, pause)
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
