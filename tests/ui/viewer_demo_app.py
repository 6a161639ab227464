"""The demo's entry: `streamlit run tests/ui/viewer_demo_app.py` from the repository's root, PYTHONPATH set to it."""

import streamlit as st

from tests.ui.demo_volumes import volumes

app = st.App("viewer_demo.py", routes=volumes().routes())
