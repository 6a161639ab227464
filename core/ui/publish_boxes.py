"""Boxes of the Publish page: headings, sentences in the box of their tone, figures, two columns, a refusal in place.

Draws what it is given; decides nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import StrokescopeError
from core.ui import loaders, messages
from core.ui.publish_hints import for_the_page
from core.ui.publish_words import Tone

_MARKS = re.compile(r"[*~$]|(?<![^\W_])_|_(?![^\W_])")  # a line inside a word is none
_CSS = """
<style>
@media (max-width: 1000px) {
.st-key-publish-two > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] {
  flex-wrap: wrap; gap: 1rem; }
.st-key-publish-two > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] >
  [data-testid="stColumn"] { min-width: 100%; }
}
</style>
"""


def columns(wide: int, narrow: int) -> list[DeltaGenerator]:
    """Two columns; one below the other where the screen is too narrow for both."""
    with st.container(key="publish-two"):
        st.html(_CSS)
        return st.columns([wide, narrow], gap="large")


def heading(text: str) -> None:
    """Of a part of the page."""
    st.html(f'<h2 style="font-size:1.1rem;margin:0.4rem 0 0 0;padding:0">{html.escape(text)}</h2>')


def show(tone: Tone, said: str, step: str = "") -> None:
    """One sentence and the next step, in the box of its tone; nothing in it is markup."""
    draw = {"calm": st.info, "good": st.success, "warn": st.warning, "bad": st.error}[tone]
    icon = {"calm": "info", "good": "check_circle", "warn": "warning", "bad": "error"}[tone]
    text = f"**{plain(_capital(said))}.**" + (f" {plain(_capital(step))}." if step else "")
    draw(text, icon=f":material/{icon}:")


def plain(text: str) -> str:
    """A text in which nothing is markup: whatever files, folders and repositories are called."""
    return _MARKS.sub(r"\\\g<0>", messages.unmarked(printable(text)))


def _capital(text: str) -> str:
    """With a capital letter first, unless that is of a repository's name."""
    return text.rstrip(".") if "/" in text.partition(" ")[0] else messages.capital(text)


def printable(text: str) -> str:
    """A name from a disk, as it may stand on a page."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "�" for c in plain)


def figures_html(lines: tuple[tuple[str, str, str], ...]) -> str:
    """Figures with their definitions."""
    cells = (
        f'<div class="scope-figure" tabindex="0" title="{html.escape(why)}"><span>{html.escape(name)}</span>'
        f"<b>{html.escape(figure)}</b></div>"
        for name, figure, why in lines
    )
    return f'<div class="scope-figures">{"".join(cells)}</div>'


def act(do: Callable[[], object]) -> None:
    """Do it and draw the page anew; a refusal is told in place."""
    try:
        do()
    except StrokescopeError as error:
        refuse(error)
        return
    st.rerun()


def refuse(error: StrokescopeError) -> None:
    """What happened, and the next step in the words of this page."""
    loaders.faults().seen(error, "a page")
    show("bad", str(error), for_the_page(error.hint))
