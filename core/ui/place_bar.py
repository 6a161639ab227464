"""The bar at the top of every page: name, source and revision, whether it answers, RAM and disk, the notice."""

from __future__ import annotations

import html
import re

import streamlit as st

from core.errors import StrokescopeError
from core.sources.protocol import Source
from core.ui import loaders, messages, state
from core.ui.health import health_of
from core.ui.strip import ram_disk_strip

_COMMIT = re.compile(r"^hub:(?:[^/]+)/(.+)@([0-9a-f]{40})$")


def source_now() -> Source:
    """The source of this session's place, or the configured one. Raises BadSource."""
    place = state.current()
    return loaders.source(place.source or loaders.settings().source)


def source_name(source: Source) -> str:
    """ "isles24-stroke @9707a7f" for a commit, the source's title otherwise."""
    match = _COMMIT.match(source.spec)
    return f"{match[1]} @{match[2][:7]}" if match else source.title


def draw() -> None:
    """Draw the bar. A source that cannot be opened is named by the page, not here."""
    left, right = st.columns([5, 2], vertical_alignment="center")
    with left:
        _bar()
    with right:
        ram_disk_strip()


@st.fragment(run_every=3.0)
def _bar() -> None:
    try:
        source = source_now()
        health = health_of(source, loaders.checks())
        name, phrase = source_name(source), health.phrase
    except StrokescopeError:
        source, name, phrase = None, "no source", "see below"
    ribbon = '<span class="scope-synthetic">synthetic</span>' if source is not None and source.synthetic else ""
    st.html(
        f'<div class="scope-bar"><b>Strokescope</b><span class="scope-chip">{html.escape(name)} · {html.escape(phrase)}'
        f'</span>{ribbon}<span class="scope-notice">{messages.NOTICE}</span></div>'
    )
