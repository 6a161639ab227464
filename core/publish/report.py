"""Report: what a validation found, to be read by a person or a program.

The same tree gives the same report, letter by letter. Holds no absolute path, and of a text that may name somebody only
its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.publish.findings import SEVERITIES, Finding, Severity

_MOST = 8  # places of a finding that are written out for people
_WORDS: dict[Severity, str] = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


@dataclass(frozen=True)
class Report:
    """The outcome of a validation.

    Attributes:
        schema: its name.
        folder: the source folder's own name.
        licence: to publish under, as the Hub writes it; "" if nobody says.
        subjects, rows, images, bytes: of what would be published.
        columns: (name, kind, rows that have it), in order.
        read: images that were read to the end.
        findings: errors first.
    """

    schema: str
    folder: str
    licence: str
    subjects: int
    rows: int
    images: int
    bytes: int
    columns: tuple[tuple[str, str, int], ...]
    read: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing forbids to publish it."""
        return not self.of("error")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def finding(self, code: str) -> Finding | None:
        """The finding of that code, if there is one."""
        return next((finding for finding in self.findings if finding.code == code), None)


def as_json(report: Report) -> dict[str, object]:
    """The whole report, for a program."""
    return {
        "ok": report.ok,
        "schema": report.schema,
        "folder": report.folder,
        "licence": report.licence or None,
        "subjects": report.subjects,
        "rows": report.rows,
        "images": report.images,
        "bytes": report.bytes,
        "images_read_to_the_end": report.read,
        "columns": [{"name": name, "kind": kind, "rows": count} for name, kind, count in report.columns],
        "counts": {severity: len(report.of(severity)) for severity in SEVERITIES},
        "findings": [
            {
                "severity": finding.severity,
                "code": finding.code,
                "sentence": finding.sentence,
                "next_step": finding.step,
                "places": [{"path": path or None, "detail": detail or None} for path, detail in finding.places],
            }
            for finding in report.findings
        ],
    }


def as_markdown(report: Report, most: int = _MOST) -> str:
    """The report for people, in Markdown that reads well in a terminal too.

    Args:
        most: places of a finding that are written out; the others are counted.
    """
    return "\n".join(_lines(report, most)) + "\n"


def verdict(report: Report) -> str:
    """The report in one sentence."""
    counts = [(len(report.of(severity)), severity) for severity in SEVERITIES]
    said = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)
    if report.ok:
        return f"Ready to publish: no error{f', but {said}' if said else ', no warning'}."
    return f"Not to be published as it is: {said}."


def _lines(report: Report, most: int) -> Iterator[str]:
    yield f"# Validation of {_code(report.folder)} as {report.schema}"
    yield ""
    yield f"**{verdict(report)}**"
    yield ""
    size = f"{report.bytes / 1e9:.2f} GB" if report.bytes >= 1e8 else f"{report.bytes / 1e6:.2f} MB"
    yield f"- {report.subjects} subjects, {report.rows} rows, {report.images} images, {size}"
    yield f"- {report.read} of {report.images} images read to the end"
    yield f"- licence: {report.licence or 'not known'}"
    for severity in SEVERITIES:
        findings = report.of(severity)
        if findings:
            yield ""
            yield f"## {_WORDS[severity]}"
        for finding in findings:
            yield ""
            yield from _finding(finding, most)
    if report.columns:
        yield from ("", "## Columns", "", "| column | kind | rows |", "|---|---|---|")
        yield from (f"| {name} | {kind} | {count} |" for name, kind, count in report.columns)


def _finding(finding: Finding, most: int) -> Iterator[str]:
    yield f"### {finding.sentence} ({finding.code})"
    yield f"Next: {finding.step}."
    yield ""
    for path, detail in finding.places[:most]:
        parts = [_code(path)] * bool(path) + [_plain(detail)] * bool(detail)
        if parts:
            yield f"- {': '.join(parts)}"
    if len(finding.places) > most:
        yield f"- … and {len(finding.places) - most} more"


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in text)
