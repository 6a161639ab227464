"""The few style rules that Streamlit's theme does not cover: a tight frame, so that the images get the room."""

from __future__ import annotations

import streamlit as st

ACCENT, AMBER, RED = "#4db6ac", "#e0a030", "#e0554f"
PREDICTION, TRUTH, AGREEMENT = "#ff8c1a", "#4db8ff", "#ffffff"  # orange and sky blue stay apart for colour-blind eyes

_CSS = """
<style>
.block-container, .stMainBlockContainer { padding: 3.6rem 1.2rem 1rem 1.2rem; max-width: none; }
.stVerticalBlock { gap: 0.5rem; }
.stButton button, .stDownloadButton button, .stPopover button { min-height: 2rem; padding: 0.15rem 0.7rem; }
@media (max-width: 640px) {
  .st-key-filters, .st-key-list-status, .st-key-image-row, .st-key-case-strip {
    flex-wrap: nowrap; overflow-x: auto; }
  .st-key-filters > *, .st-key-list-status > *, .st-key-image-row > *, .st-key-case-strip > * { flex: 0 0 auto; }
  .st-key-segment-row > * { flex: 1 1 calc(50% - 0.25rem) !important; width: auto !important; min-width: 0; }
  .st-key-segment-row > [class*="st-key-pick-"] { flex-basis: 60% !important; order: -2; }
  .st-key-segment-row > .st-key-to-case { flex-basis: 30% !important; order: -1; }
  .st-key-segment-row > .st-key-case-keys { flex: 0 0 0 !important; margin-right: -0.5rem; }
  .st-key-segment-row > * > *, .st-key-segment-row > * [class*="st-key-"], .st-key-segment-row .stPopover,
  .st-key-segment-row :is(.stButton, .stPopover) button {
    width: 100% !important; }
  .scope-notice { margin-left: 0; }
}
.st-key-case-strip .stMarkdown, .st-key-case-strip [data-testid="stMarkdownContainer"] { margin: 0; padding: 0; }
.st-key-case-strip p { margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.st-key-case-keys { position: absolute; width: 0; height: 0; overflow: hidden; }
.st-key-list-status { min-height: 2.2rem; }
.st-key-segment-row button p { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.st-key-segment-row .st-key-engine-badge { text-align: center; }
.st-key-segment-row .st-key-engine-badge p { white-space: nowrap; }
.scope-which { font-size: 0.86rem; line-height: 1.3; min-height: 2.25rem; }
.scope-which, .scope-which span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.scope-which span { display: block; opacity: 0.75; font-size: 0.78rem; }
.st-key-shown-which > *:has(.stHtml) { min-width: 0; flex: 1 1 0; }
.st-key-shown-which { flex-wrap: nowrap; min-height: 2.25rem; }
@media (min-width: 641px) {
  [data-testid="stLayoutWrapper"]:has(> .st-key-told-place) { height: 0; margin-bottom: -0.5rem; z-index: 5;
    position: relative; }
  .st-key-engine-told { position: absolute !important; top: 0; right: 0; width: 22.4% !important; max-height: 24rem;
    overflow-y: auto; background: var(--st-background-color, transparent); }
  .stMainBlockContainer:has(.st-key-engine-told .stAlert, .st-key-engine-told .stProgress) .st-key-reading {
    padding-top: 8rem; }
  .stMainBlockContainer:has(.st-key-engine-told .stAlert):has(.st-key-engine-told .stButton) .st-key-reading {
    padding-top: 9.2rem; }
  .stMainBlockContainer:has(.st-key-engine-told .st-key-model-card) .st-key-reading { padding-top: 24.5rem; }
}
.st-key-engine-told .stAlert { font-size: 0.86rem; }
.st-key-engine-told .stAlert p { font-size: 0.86rem; line-height: 1.35; }
.scope-bar { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.3rem 1rem; font-size: 0.86rem;
  padding: 0.25rem 0; }
.scope-bar b { font-size: 1.05rem; letter-spacing: 0.01em; }
.scope-chip { border: 1px solid color-mix(in srgb, currentColor 22%, transparent); border-radius: 999px;
  padding: 0.05rem 0.6rem; white-space: nowrap; }
.scope-chip.silent { border-color: #e0a030; border-style: dashed; }
.scope-newer { border: 1px solid var(--st-link-color, #4db6ac); border-radius: 999px; padding: 0.05rem 0.6rem;
  white-space: nowrap; }
.scope-notice { margin-left: auto; font-weight: 600; white-space: nowrap; }
.scope-synthetic { background: #6b4fa0; color: #fff; border-radius: 999px; padding: 0.05rem 0.6rem; font-weight: 600; }
.scope-hero { font-size: 1.5rem; line-height: 1.35; max-width: 46rem; margin: 1.2rem 0 0.4rem 0; }
.st-key-resources-page h3 { font-size: 1.1rem; padding: 0.7rem 0 1rem 0; }
.st-key-resources-words { min-height: 2.8rem; font-variant-numeric: tabular-nums; }
.st-key-resources-line-box { min-height: 11rem; }
.st-key-strip { position: relative; }
.st-key-strip .scope-gauges { min-height: 1.4rem; align-items: center; }
.st-key-strip-link { position: absolute; inset: 0; z-index: 2; width: 100% !important; }
.st-key-strip-link .stButton, .st-key-strip-link button { width: 100% !important; height: 100%; min-height: 1.4rem;
  margin: 0; padding: 0; border: 0; background: transparent; }
.st-key-strip-link p { font-size: 0; }
.st-key-strip-link button:hover, .st-key-strip-link button:focus-visible {
  outline: 1px solid var(--st-primary-color, #12877a); outline-offset: 2px; }
.scope-line { padding: 0 0.5rem; border-radius: 999px; white-space: nowrap;
  border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
.scope-num, .stMetric, .stDataFrame { font-variant-numeric: tabular-nums; }
.st-key-show-case button { padding: 1.1rem 2.4rem; }
.st-key-show-case button p { font-size: 1.3rem; font-weight: 600; }
.scope-compare { width: 100%; border-collapse: collapse; font-size: 0.82rem; font-variant-numeric: tabular-nums; }
.scope-compare caption { caption-side: top; text-align: left; padding: 0 0 0.3rem 0; font-size: 0.84rem; }
.scope-compare caption div { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 20rem; }
.scope-compare th, .scope-compare td { padding: 0.12rem 0 0.12rem 0.4rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.scope-compare th[scope="row"] { text-align: left; font-weight: 400; opacity: 0.8; padding-left: 0; }
.scope-compare thead th { font-weight: 600; white-space: normal; vertical-align: bottom; }
.st-key-reading .st-key-compare-numbers .scope-figures, .st-key-compare-numbers .scope-figures {
  grid-template-columns: repeat(2, 1fr); gap: 0.2rem 0.6rem; }
.st-key-compare-numbers .scope-figure b { font-size: 1.02rem; }
.scope-compare tbody tr { cursor: help; }
.scope-compare tbody tr:focus-visible { outline: 2px solid var(--st-primary-color, #12877a); }
.scope-kept { display: flex; flex-wrap: wrap; gap: 0 0.4rem; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
.scope-kept span { text-align: right; white-space: nowrap; cursor: help; }
@media (min-width: 720px) {
  .st-key-results-rows > div, .st-key-results-rows [data-testid="stHorizontalBlock"], .scope-kept { flex-wrap: nowrap; }
  .st-key-results-rows .stCheckbox p { white-space: normal; }
}
.scope-figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr)); gap: 0.35rem 0.8rem; }
.scope-figure { cursor: help; border-radius: 0.4rem; line-height: 1.25; }
.scope-figure span { display: block; font-size: 0.78rem; opacity: 0.75; white-space: nowrap; }
.scope-figure b { font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scope-figure:focus-visible { outline: 2px solid var(--st-primary-color, #12877a); }
</style>
"""


def apply() -> None:
    """Write the rules into the page."""
    st.html(_CSS)
