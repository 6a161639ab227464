"""The bar at the top of every page: name, source and revision, whether it answers, RAM and disk, the notice."""

from __future__ import annotations

import html

import streamlit as st

from core.errors import StrokescopeError
from core.sources.protocol import Source
from core.ui import loaders, messages, state
from core.ui.health import Health
from core.ui.revision import newer_spec, version_name
from core.ui.strip import strip


def text_now() -> str:
    """The source of this session's place as it was asked for, or the configured one."""
    return state.current().source or loaders.settings().source


def source_now() -> Source:
    """The source of this session's place, or the configured one. Raises BadSource."""
    return loaders.source(text_now())


def draw() -> None:
    """Draw the bar. A source that cannot be opened is named by the page, not here."""
    left, right = st.columns([5, 2], vertical_alignment="center")
    with left:
        _bar()
    with right:
        strip()


@st.fragment(run_every=3.0)
def _bar() -> None:
    try:
        source = source_now()
        chip = _chip(version_name(text_now(), source), loaders.pulses().of(source))
        if newer_spec(source) is not None:
            chip += '<span class="scope-newer" title="the Cases page offers it">newer version</span>'
        if source.synthetic:
            chip += '<span class="scope-synthetic">synthetic</span>'
    except StrokescopeError:
        chip = '<span class="scope-chip">no source · see below</span>'
    st.html(f'<div class="scope-bar"><b>Strokescope</b>{chip}<span class="scope-notice">{messages.NOTICE}</span></div>')


def _chip(name: str, health: Health) -> str:
    silent = " silent" if health.state == "silent" else ""
    why = "" if health.error is None else f' title="{html.escape(messages.sentence(health.error))}"'
    return f'<span class="scope-chip{silent}"{why}>{html.escape(name)} · {html.escape(health.phrase)}</span>'
