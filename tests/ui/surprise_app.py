"""An app whose page fails with a fault that nobody foresaw."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.logs import configure_logging
from core.ui import messages

configure_logging()
SCRIPT = Path(__file__).with_name("surprise_page.py")
app = st.App(str(SCRIPT), on_script_error=messages.surprise)
