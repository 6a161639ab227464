"""Which version of a dataset is in use, in words, and the offer of a newer one. Never switches by itself."""

from __future__ import annotations

import re

import streamlit as st

from core.settings import PINNED_REPO
from core.sources.opening import parse_spec
from core.sources.protocol import Source
from core.ui import state

_COMMIT = re.compile(r"^hub:([^/]+/(.+))@([0-9a-f]{40})$")
_STAYS = "stays"


def version_name(text: str, source: Source) -> str:
    """ "isles24-stroke @9707a7f" for a commit, "name main @9707a7f" for a branch, the source's title for a folder.

    Args:
        text: the source as it was asked for, whose branch is told.
    """
    match = _COMMIT.match(source.spec)
    if match is None:
        return source.title
    branch = followed(text)
    return f"{match[2]} {branch} @{match[3][:7]}" if branch else f"{match[2]} @{match[3][:7]}"


def followed(text: str) -> str:
    """The branch that a source's name follows; "" for a commit, for the pinned one, and without a Hub."""
    spec = parse_spec(text)
    if spec.kind != "hub" or (spec.revision is None and spec.place == PINNED_REPO):
        return ""
    revision = spec.revision or "main"
    return "" if re.fullmatch(r"[0-9a-f]{40}", revision) else revision


def newer_spec(source: Source) -> str | None:
    """The source at the newest commit, where that is another than the one in use; makes no request."""
    match, newest = _COMMIT.match(source.spec), source.newest()
    return f"hub:{match[1]}@{newest}" if match and newest else None


def offer(spec: str | None) -> None:
    """A newer version, where there is one: open it, or stay, which hides the offer for this session."""
    stays: set[str] = st.session_state.setdefault(_STAYS, set())
    if spec is None or spec in stays:
        return
    told = f":material/new_releases: a newer version is on the Hub · {spec.partition('@')[2][:7]}"
    st.markdown(f":blue-badge[{told}]", width="content")
    told = "The cases of the newer version; this one stays as it is, and in the cache."
    st.button("Open it", key="newer-open", on_click=_open, args=(spec,), help=told)
    st.button("Stay", key="newer-stay", on_click=stays.add, args=(spec,), help="Hide this until the next visit.")


def _open(spec: str) -> None:
    state.go(source=spec, case=None, modalities=())
