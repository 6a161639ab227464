"""Strip: RAM and disk of the container, small, on every page, and what holds work up; renews itself every five seconds.

A click on it opens the Resources page. Its width stays while numbers change.
"""

from __future__ import annotations

import html

import streamlit as st

from core.ui import loaders, nav
from core.ui.gauges import CSS, disk_gauge, gauge_html, memory_gauge
from core.ui.guard_view import line_in_words


def strip() -> None:
    """The strip with its way to the Resources page."""
    with st.container(key="strip"):
        ram_disk_strip()
        if st.button("RAM and disk: open Resources", key="strip-link", type="tertiary"):
            nav.open_page("resources")


@st.fragment(run_every=5.0)
def ram_disk_strip() -> None:
    """Draw both gauges; amber from 70 %, red from 88 % (disk 90 %), each with its word; the line of heavy steps."""
    reading = loaders.sampler().latest()
    line = line_in_words(loaders.guard().admission.places())
    told = f'<span class="scope-line" title="heavy steps">{html.escape(line)}</span>' if line else ""
    both = gauge_html(memory_gauge(reading.memory)) + gauge_html(disk_gauge(reading.disk))
    st.html(f'{CSS}<div class="scope-gauges">{told}{both}</div>')
