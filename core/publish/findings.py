"""Findings: what is wrong with a source tree, how badly, where, and what to do.

A `Trouble` is one place; troubles of one code become one `Finding`. Judges nothing itself (codes.py holds the rules).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, order=True)
class Trouble:
    """One thing at one place.

    Attributes:
        code: a key of `codes.RULES`.
        path: relative to the source's root; "" when it is about the whole.
        detail: what was found there; never a patient's name or a date, only their shape.
    """

    code: str
    path: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Rule:
    """What a code means.

    Attributes:
        headline: with `{n}` for how many places, and `{s}` for the ending of their number.
        step: what to do about it.
    """

    severity: Severity
    headline: str
    step: str


@dataclass(frozen=True)
class Finding:
    """All troubles of one code.

    Attributes:
        sentence: what was found, with how many places.
        step: what to do about it.
        places: (relative path or "", detail or "") in order.
    """

    severity: Severity
    code: str
    sentence: str
    step: str
    places: tuple[tuple[str, str], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files concerned, each once."""
        return tuple(dict.fromkeys(path for path, _ in self.places if path))


def masked(text: str, most: int = 40) -> str:
    """The shape of a text that may not be shown: letters as x or X, digits as 9; what is left out at the end is ….

    A report is kept and sent around: it says where to look, not what stands there.
    """
    shape = "".join("X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in text[:most])
    shape = "".join(c if c.isprintable() else "·" for c in shape)
    return f"“{shape}{'…' if len(text) > most else ''}”"


def gather(troubles: Iterable[Trouble], rules: Mapping[str, Rule]) -> tuple[Finding, ...]:
    """The troubles by code: errors first, then in the order of the rules; the same whatever their order was."""
    by_code: dict[str, list[Trouble]] = {}
    for trouble in sorted(set(troubles)):
        by_code.setdefault(trouble.code, []).append(trouble)
    findings = []
    for code in sorted(by_code, key=list(rules).index):
        rule, places = rules[code], tuple((one.path, one.detail) for one in by_code[code])
        sentence = rule.headline.format(n=len(places), s="" if len(places) == 1 else "s")
        findings.append(Finding(rule.severity, code, sentence, rule.step, places))
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
