"""Publish card: what the dataset's card tells that its shards do not, noted in the staging folder while the source is
there: the licence, how many rows have each column, whom its description names. The card's text is card.py's."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import BadTree, NotValid
from core.publish.card import CREDIT, About, about
from core.publish.credit import as_note, credit_of
from core.publish.licences import check_licence, licence_to_use
from core.publish.participants import DESCRIPTION, read_json
from core.publish.rows import Listing
from core.publish.staging import Staging
from core.publish.tree import Tree
from core.publish.view import View
from core.workflows.publish_ask import How

CARD = "card"  # the note's name
_NOTHING: Mapping[str, object] = {"licence": "", "source": None, "present": {}}


def check_freer(asked: str | None, of_schema: str, of_tree: str | None) -> str:
    """The licence to publish under, as the Hub writes it. Raises NotValid if it is freer than the source's."""
    licence = licence_to_use(asked, of_schema, of_tree)
    freer = [one.detail for one in check_licence(licence, of_schema, of_tree) if one.code == "licence-freer"]
    if freer:
        raise NotValid(
            f"the licence is freer than the source's: {'; '.join(freer)}",
            hint="leave --licence out, or name one that asks for as much; nothing overrides this",
        )
    return licence


def note_card(staging: Staging, tree: Tree, how: How) -> None:
    """Keep what the card needs of the source, for a time when that may be gone. Raises NotValid."""
    licence = check_freer(how.licence, tree.schema.licence, tree.licence)
    present = {c.name: sum(bool(row.files[c.name]) for row in tree.rows) for c in tree.schema.images}
    present |= {c.name: sum(row.values[c.name] is not None for row in tree.rows) for c in tree.schema.scalars}
    _note(staging, CARD, {"licence": licence, "source": tree.licence, "present": present})
    files = {file.path: file for file in (*tree.tables, *tree.loose)}
    told = read_json(Listing(tree.root, files), DESCRIPTION) if DESCRIPTION in files else None
    _note(staging, CREDIT, as_note(credit_of(told)))


def note_licence(staging: Staging, asked: str) -> None:
    """From now on the card names this licence. Raises NotValid, BadTree."""
    kept = _kept(staging.view)
    of_tree = kept.get("source")
    licence = check_freer(asked, staging.view.header.schema.licence, str(of_tree) if of_tree else None)
    _note(staging, CARD, {**kept, "licence": licence})


def about_card(view: View) -> About:
    """What the card tells. Raises BadTree for a note that is none of ours."""
    kept = _kept(view)
    try:
        present = kept["present"]
        if isinstance(present, dict):
            return about(view, str(kept["licence"]), {str(name): int(count) for name, count in present.items()})
    except (LookupError, TypeError, ValueError):
        pass
    raise _unreadable()


def _kept(view: View) -> Mapping[str, object]:
    kept = view.notes.get(CARD, _NOTHING)
    if not isinstance(kept, dict):
        raise _unreadable()
    return kept


def _note(staging: Staging, name: str, wanted: Mapping[str, object]) -> None:
    if staging.view.notes.get(name) != wanted:
        staging.note(name, wanted)


def _unreadable() -> BadTree:
    return BadTree("the staging folder's note of the card cannot be read", hint="build again: it is written anew")
