"""Credit: whom a dataset's description asks to be named: its name, authors, and how it wants to be cited.

Takes the four fields of dataset_description.json that say so, each as short lines, and nothing else of it. Decides no
text of the card (card.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_MOST = 200  # authors
_LONGEST = 1000  # letters of one line
_SIGNS = re.compile(r"[\\`*\[\]<>|#]")


@dataclass(frozen=True)
class Credit:
    """Whom to name.

    Attributes:
        name: of the dataset; "" if it has none.
        cite: how it wants to be cited: in words, by its DOI.
    """

    name: str = ""
    authors: tuple[str, ...] = ()
    cite: tuple[str, ...] = ()


NOBODY = Credit()


def credit_of(description: object) -> Credit:
    """What a dataset_description.json says; whatever is not as BIDS writes it says nothing."""
    if not isinstance(description, Mapping):
        return NOBODY
    authors = description.get("Authors")
    names = [authors] if isinstance(authors, str) else authors if isinstance(authors, list) else []
    cite = (_line(description.get(key)) for key in ("HowToAcknowledge", "DatasetDOI"))
    return Credit(
        _line(description.get("Name")),
        tuple(name for name in map(_line, names[:_MOST]) if name),
        tuple(dict.fromkeys(one for one in cite if one)),
    )


def as_note(credit: Credit) -> dict[str, Any]:
    """As a staging folder keeps it."""
    return {name: list(said) if isinstance(said, tuple) else said for name, said in asdict(credit).items()}


def credit_in(note: object) -> Credit:
    """What a staging folder keeps; nobody if that is nothing of ours."""
    if not isinstance(note, Mapping):
        return NOBODY
    authors, cite = (note.get(key) for key in ("authors", "cite"))
    lists = [tuple(map(_line, said)) if isinstance(said, list) else () for said in (authors, cite)]
    return Credit(_line(note.get("name")), *lists)


def plain(text: str) -> str:
    """The text in Markdown, where it means itself."""
    return _SIGNS.sub(lambda found: "&lt;" if found[0] == "<" else f"\\{found[0]}", text)


def _line(said: object) -> str:
    """One line without what cannot be seen; "" for what is no text."""
    if not isinstance(said, str):
        return ""
    seen = "".join(c if c.isprintable() else " " for c in said[: 4 * _LONGEST])
    line = " ".join(seen.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
