"""Front: the metadata at the top of a README.md, key by key, as it is written there.

Changes the keys it is told to and leaves every other letter. Knows no key's meaning (card.py, claims.py), and of YAML
only what top-level keys look like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"^([A-Za-z_][A-Za-z0-9_-]*)[ \t]*:", re.MULTILINE)


def split(readme: str) -> tuple[str, str]:
    """The metadata between its lines of dashes, "" if there is none, and what follows."""
    found = _FRONT.match(readme)
    return (found[1], readme[found.end() :]) if found else ("", readme)


def blocks(front: str) -> list[tuple[str, str]]:
    """Top-level keys with all their lines; what precedes the first has the key ""."""
    starts = [(found[1], found.start()) for found in _KEY.finditer(front)]
    ends = [*(start for _, start in starts[1:]), len(front)][: len(starts)]
    head = front[: starts[0][1]] if starts else front
    found = [("", head)] if head.strip() else []
    return found + [(key, _ended(front[start:end])) for (key, start), end in zip(starts, ends, strict=True)]


def merged(front: str, ours: Mapping[str, str]) -> str:
    """The metadata: the keys of others as they were written, ours in place of what they were."""
    left = dict(ours)
    parts: list[str] = []
    for key, lines in blocks(front):
        parts.append(left.pop(key) if key in left else "" if key in ours else lines)
    return "".join([*parts, *left.values()])


def value(lines: str) -> str:
    """What a key's lines say behind the colon: a plain or quoted text as itself, anything else as it is written."""
    said = "\n".join(line for line in lines.partition(":")[2].splitlines() if line.strip()[:1] not in ("", "#"))
    bare = re.sub(r"\s#.*", "", said.strip()).strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"" else bare


def quoted(text: str) -> str:
    """A text as YAML reads it, whatever is in it: JSON is a part of YAML."""
    return json.dumps(text, ensure_ascii=False)


def _ended(lines: str) -> str:
    return lines if lines.endswith("\n") else lines + "\n"
