"""Findings on the Publish page: what the check found, worst first: how many, the first places, the next step."""

from __future__ import annotations

import html
from collections.abc import Callable

import streamlit as st

from core.publish.findings import Finding, Severity
from core.publish.report import Report
from core.ui.publish_boxes import printable
from core.ui.publish_hints import for_the_page

MOST = 5  # places that are written out
_ICONS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "info"}
_WORDS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "note"}


_CSS = """
<style>
.scope-finding { font-size: 0.9rem; line-height: 1.4; overflow-wrap: anywhere; }
.scope-finding ul { margin: 0.2rem 0 0 0; }
.scope-finding li { font-size: 0.84rem; margin: 0; }
.scope-finding code { font-size: 0.8rem; }
</style>
"""


def nothing(_: str) -> None:
    """Offers nothing."""


def findings(report: Report, override: Callable[[str], None] = nothing) -> None:
    """All of them; errors open, the others folded.

    Args:
        override: draws under an error of that code what a person may do about it here.
    """
    for finding in report.of("error"):
        with st.container(border=True, gap="xsmall"):
            _one(finding)
            override(finding.code)
    for severity in ("warning", "note"):
        found = report.of(severity)
        if found:
            kinds = f"{len(found)} kind{'' if len(found) == 1 else 's'} of {_WORDS[severity]}"
            with st.expander(kinds, icon=f":material/{_ICONS[severity]}:", key=f"publish-{severity}s"):
                for finding in found:
                    _one(finding)


def _one(finding: Finding) -> None:
    """Severity in a word, sentence, next step, and the first places."""
    st.html(finding_html(finding))


def finding_html(finding: Finding) -> str:
    """One finding; what stands in files is no markup."""
    shown = [(path, detail) for path, detail in finding.places if path or detail]
    lines = "".join(
        f"<li><code>{html.escape(printable(path))}</code> {html.escape(printable(detail))}</li>" if path else
        f"<li>{html.escape(printable(detail))}</li>"
        for path, detail in shown[:MOST]
    )  # fmt: skip
    more = f"<li>and {len(shown) - MOST} more, in the report</li>" if len(shown) > MOST else ""
    listed = f"<ul>{lines}{more}</ul>" if lines else ""
    return (
        f'{_CSS}<div class="scope-finding">'
        f"<b>{_WORDS[finding.severity].capitalize()}: {html.escape(finding.sentence)}</b>"
        f"<br>Next: {html.escape(for_the_page(finding.step))}.{listed}</div>"
    )
