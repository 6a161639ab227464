"""Licences: whether a dataset may be published under a licence, judged by what its source's asks for.

Knows Creative Commons and Open Data Commons by their names. No legal advice: it only catches a licence that drops what
the source's asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.publish.findings import Trouble

_TERMS = ("by", "nc", "sa", "nd")
_LONG = {"attribution": "by", "noncommercial": "nc", "sharealike": "sa", "noderivatives": "nd", "noderivs": "nd"}
_FREE = frozenset({"cc0", "pddl", "pd", "publicdomain", "publicdomaindedication", "unlicense", "creativecommonszero"})
_OTHERS = {"odbl": ("by", "sa"), "odcby": ("by",), "mit": ("by",), "apache": ("by",), "apachelicense": ("by",)}


@dataclass(frozen=True)
class Licence:
    """A licence that is known.

    Attributes:
        terms: what it asks for, of by, nc, sa, nd.
        version: "4.0"; "" if it does not say.
        family: "cc", or the name of another.
    """

    terms: frozenset[str]
    version: str
    family: str

    @property
    def hub_id(self) -> str:
        """As the Hub writes it."""
        if self.family != "cc":
            return self.family
        parts = ["cc", *(term for term in _TERMS if term in self.terms)] if self.terms else ["cc0"]
        return "-".join([*parts, self.version or ("4.0" if self.terms else "1.0")])


def licence_of(text: str) -> Licence | None:
    """The licence that a text names; None if it is not one that we know, or names several."""
    words = re.sub(r"https?://creativecommons\.org/(licenses|publicdomain)/", "cc-", text.lower())
    words = re.sub(r"non[- ]?commercial", "noncommercial", re.sub(r"share[- ]?alike", "sharealike", words))
    words = re.sub(r"no[- ]?deriv", "noderiv", words)
    version = re.search(r"(\d)(\.\d)?", re.sub(r"cc-?0", "cc", words))
    number = (version[1] + (version[2] or ".0")) if version else ""
    letters = re.findall(r"[a-z]+0?", words)
    joined = "".join(letters)
    bare = re.sub(r"(universal|international|license|licence|v)+$", "", joined) or joined
    if bare in _FREE or "zero" in letters or (letters[:1] == ["cc"] and "zero" in words) or joined.startswith("cc0"):
        return Licence(frozenset(), number, "pddl" if "pddl" in letters else "cc")
    for name, terms in _OTHERS.items():
        if bare == name:
            return Licence(frozenset(terms), number, {"odcby": "odc-by", "apachelicense": "apache-2.0"}.get(name, name))
    asked = {word for word in letters if word in _TERMS} | {_LONG[word] for word in letters if word in _LONG}
    is_cc = letters[:1] == ["cc"] or "creativecommons" in joined or bool(re.match(r"by(nc|sa|nd)*", joined))
    return Licence(frozenset(asked), number, "cc") if is_cc and "by" in asked else None


def check_licence(chosen: str, of_schema: str, of_tree: str | None) -> list[Trouble]:
    """What speaks against publishing under `chosen`.

    Args:
        of_schema: the licence that the known source has; "" for an unknown source.
        of_tree: what the tree's own description says; None if nothing.
    """
    sources = {name: licence_of(name) for name in (of_schema, of_tree) if name}
    if not sources:
        return [Trouble("licence-unknown", "", "the source names none")]
    target = licence_of(chosen)
    unknown = sorted({name for name, known in {**sources, chosen: target}.items() if known is None})
    found = [Trouble("licence-unknown", "", name or "none was chosen") for name in unknown]
    known = {name: licence for name, licence in sources.items() if licence is not None}
    if len({licence.terms for licence in known.values()}) > 1:
        found.append(Trouble("licence-differs", "", f"{of_tree} in the tree, {of_schema} at its source"))
    for name, licence in known.items():
        dropped = licence.terms - target.terms if target else frozenset()
        if dropped:
            asked = ", ".join(term for term in _TERMS if term in dropped)
            found.append(Trouble("licence-freer", "", f"{chosen} drops {asked} of {name}"))
        elif target and "sa" in licence.terms and licence.terms != target.terms:
            found.append(Trouble("licence-differs", "", f"{name} asks for itself, not {chosen}"))
    return found


def licence_to_use(asked: str | None, of_schema: str, of_tree: str | None) -> str:
    """The licence to publish under: the one asked for, else the source's, as the Hub writes it; "" if unknown."""
    text = asked or of_schema or of_tree or ""
    known = licence_of(text)
    return known.hub_id if known else text
