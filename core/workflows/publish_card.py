"""Publish card: what the dataset's card tells that its shards do not, noted in the staging folder while the source is
there: the licence, and how many rows have each column. The card's text is core.publish.card's."""

from __future__ import annotations

import json
from collections.abc import Mapping

from core.errors import BadTree
from core.publish.licences import licence_to_use
from core.publish.staging import Staging
from core.publish.tree import Tree
from core.workflows.publish_ask import How

CARD = "card"  # the note's name


def note_card(staging: Staging, tree: Tree, how: How) -> None:
    """Keep what the card needs of the source, for a time when that may be gone."""
    licence = licence_to_use(how.licence, tree.schema.licence, tree.licence)
    present = {c.name: sum(bool(row.files[c.name]) for row in tree.rows) for c in tree.schema.images}
    present |= {c.name: sum(row.values[c.name] is not None for row in tree.rows) for c in tree.schema.scalars}
    wanted = {"licence": licence, "present": present}
    if json.dumps(staging.view.notes.get(CARD), sort_keys=True) != json.dumps(wanted, sort_keys=True):
        staging.note(CARD, wanted)


def read_card(notes: Mapping[str, object]) -> tuple[str, dict[str, int]]:
    """The licence and the rows with each column. Raises BadTree for a note that is none of ours."""
    kept = notes.get(CARD, {"licence": "", "present": {}})
    try:
        if isinstance(kept, dict):
            return str(kept["licence"]), {str(name): int(count) for name, count in kept["present"].items()}
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    raise BadTree("the staging folder's note of the card cannot be read", hint="build again: it is written anew")
