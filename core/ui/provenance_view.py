"""How a result came about: its warnings at once, and inputs, engine, parameters, machine and licence in a popover.

Tells what the sidecar tells; asks nothing of the machine that the app runs on now.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from core.resources.budget import size
from core.ui import downloads, messages
from core.ui.looks import OnScreen
from core.ui.result_view import definitions, score_figures, volume_figures
from core.workflows.notes import in_words

_CSS = """
<style>
.st-key-reading { gap: 0.45rem; }
.st-key-reading .scope-figures { grid-template-columns: repeat(4, 1fr); gap: 0.2rem 0.4rem; }
.st-key-reading .scope-volumes .scope-figures { grid-template-columns: repeat(3, 1fr); }
.st-key-reading .scope-figure b { font-size: 1.02rem; }
.scope-warnings { max-height: 4.2rem; overflow-y: auto; border-left: 3px solid #e0a030; padding: 0.1rem 0 0.1rem 0.6rem;
  font-size: 0.82rem; line-height: 1.3; margin: 0.1rem 0; }
.st-key-reading-row button { min-height: 2rem; padding: 0.15rem 0.6rem; }
.scope-warnings:focus-visible { outline: 2px solid var(--st-primary-color, #12877a); }
.scope-warnings p { margin: 0 0 0.25rem 0; font-size: 0.82rem; }
</style>
"""


def style() -> None:
    """The rules of the right column."""
    st.html(_CSS)


def warnings(lines: Iterable[str]) -> None:
    """All warnings of a run, each a sentence, in a box that does not grow."""
    told = "".join(f"<p>⚠ {html.escape(line)}</p>" for line in lines)
    st.html(f'<div class="scope-warnings" tabindex="0" role="note" aria-label="Warnings of this run">{told}</div>')


def draw(shown: OnScreen) -> None:
    """The popover."""
    scores = score_figures({}) if shown.truth is not None else ()
    with st.popover(
        "About", icon=":material/info:", key="about-result", help="How this result was made, and from what"
    ):
        st.markdown(about(shown))
        st.markdown("**Definitions**")
        st.markdown(definitions((*volume_figures(shown.result), *scores)))
        if scores:
            st.markdown(_plain(downloads.origin(shown).about_scores))


def about(shown: OnScreen) -> str:
    """All of it as Markdown; holds no path of this machine."""
    told, result = shown.told, shown.result
    by = told.get("GeneratedBy", {})
    where = shown.source if not shown.source.startswith("local:") else "a folder of your own"
    made = f"{result.seconds:.1f} s, at most {size(result.peak_rss_mb)} of RAM"
    rows = {
        "Engine": f"{_plain(by.get('Label', result.engine))} · {result.engine} {result.engine_version}",
        "Task": _plain(by.get("Task", "not told")),
        "Validated": _plain(told.get("Validated", "not told")),
        "Made in": f"{made}, {_machine(told.get('Host', {}))}",
        **{messages.capital(_plain(name)): _plain(value) for name, value in in_words(result.notes)},
        "Threshold": f"{result.threshold:g}" if result.probability is not None else "the engine gives no probability",
        "Parameters": "; ".join(f"{n} {_number(p)}" for n, p in told.get("Parameters", {}).items()) or "none",
        "Source": _plain(where),
        "Inputs, sha256": "; ".join(f"{n} `{i.get('sha256', '')}`" for n, i in told.get("Inputs", {}).items()),
        "Licence": _plain(by.get("Licence", "not told")),
        "To cite": _plain(by.get("Citation", "not told")),
    }
    lines = [f"- **{name}**: {value}" for name, value in rows.items()]
    failures = [f"- {_plain(line)}" for line in told.get("KnownFailures", [])]
    return "\n".join([*lines, "", "**Known failures**", "", *failures])


def _machine(host: Mapping[str, Any]) -> str:
    ram = host.get("MemoryLimitMB")
    return f"on {host.get('Processors', '?')} processors" + (f" with {size(float(ram))} of RAM" if ram else "")


def _number(parameter: Mapping[str, Any]) -> str:
    value = parameter.get("value", "")
    return f"{value:g} {parameter.get('unit', '')}".strip() if isinstance(value, float | int) else _plain(value)


def _plain(value: object) -> str:
    """Text from a file as Markdown that means only itself."""
    text = " ".join(str(value).split())
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "#", "|", "$", "~", ":"):
        text = text.replace(mark, f"\\{mark}")
    return text
