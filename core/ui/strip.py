"""Strip: RAM and disk of the container, small, on every page; renews itself every five seconds."""

from __future__ import annotations

import streamlit as st

from core.ui import loaders
from core.ui.gauges import CSS, disk_gauge, gauge_html, memory_gauge


@st.fragment(run_every=5.0)
def ram_disk_strip() -> None:
    """Draw both gauges; amber from 70 %, red from 88 % (disk 90 %), each with its word."""
    reading = loaders.sampler().latest()
    both = gauge_html(memory_gauge(reading.memory)) + gauge_html(disk_gauge(reading.disk))
    st.html(f'{CSS}<div class="scope-gauges">{both}</div>')
