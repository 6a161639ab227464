"""A result in numbers: volumes, lesions and scores, each with its unit and its definition one hover away."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd
import streamlit as st

from core.evaluation.records import DEFINITIONS, CaseScore
from core.segmentation.results import LesionRow
from core.ui.messages import number

Values = Mapping[str, float | int | None]  # as CaseScore.to_json: None is undefined; a missing one is not known yet
TABLE_HEIGHT = 178  # of the lesions, however many there are: nothing below moves

_SCORES: tuple[tuple[str, str, str], ...] = (
    ("dice", "Dice", ""),
    ("avd_ml", "AVD", "ml"),
    ("volume_truth_ml", "Truth", "ml"),
    ("lesion_count_difference", "Count diff.", ""),
    ("lesion_f1_isles22", "F1 ’22", ""),
    ("lesion_f1_isles24", "F1 ’24", ""),
    ("hd95_mm", "HD95", "mm"),
    ("surface_dice_2mm", "sDice 2 mm", ""),
)
_VOLUMES = {
    "Segmented volume": "Voxels of the mask times the volume of one voxel, on the DWI's own grid, in millilitres.",
    "Core": "Voxels of the mask with ADC below the core threshold (620 ×10⁻⁶ mm²/s unless changed), in millilitres.",
    "Lesions": "Parts of the mask; voxels that share a face, an edge or a corner belong to one part (26-connectivity).",
}


class Measured(Protocol):
    """What has volumes: a result, or a look at it."""

    @property
    def volume_ml(self) -> float: ...
    @property
    def core_volume_ml(self) -> float | None: ...
    @property
    def lesion_count(self) -> int: ...


@dataclass(frozen=True)
class Figure:
    """One number on screen. `why` is its definition."""

    label: str
    value: str
    why: str


def volume_figures(measured: Measured) -> tuple[Figure, ...]:
    """Segmented volume, core and lesion count."""
    core = measured.core_volume_ml
    values = (number(measured.volume_ml, "ml"), number(core, "ml"), str(measured.lesion_count))
    missing = "" if core is not None else " Unknown here: the engine tells no core."
    return tuple(
        Figure(label, value, why + (missing if label == "Core" else ""))
        for (label, why), value in zip(_VOLUMES.items(), values, strict=True)
    )


def score_figures(score: CaseScore | Values, waits: str = "") -> tuple[Figure, ...]:
    """Every metric; an undefined one is a dash, and its definition says why; so is one that is not there yet.

    Args:
        waits: why a missing one is not known, e.g. "It is being measured."
    """
    values = score.to_json() if isinstance(score, CaseScore) else score
    figures = []
    for name, label, unit in _SCORES:
        value = values.get(name)
        text = "–" if value is None else str(value) if isinstance(value, int) else number(value, unit)
        told = "" if value is not None else "Undefined here: one of the masks is empty." if name in values else waits
        shown = "…" if waits and name not in values else text
        figures.append(Figure(label, shown, f"{DEFINITIONS[name]} {told}".strip()))
    return tuple(figures)


def figures_html(figures: Iterable[Figure]) -> str:
    """A compact grid; each figure can be reached by Tab and tells its definition on hover."""
    cells = []
    for figure in figures:
        label, value, why = html.escape(figure.label), html.escape(figure.value), html.escape(figure.why)
        cells.append(
            f'<div class="scope-figure" tabindex="0" title="{why}" aria-label="{label} {value}. {why}">'
            f"<span>{label}</span><b>{value}</b></div>"
        )
    return f'<div class="scope-figures">{"".join(cells)}</div>'


def definitions(figures: Iterable[Figure]) -> str:
    """All of them in words."""
    return "\n".join(f"- **{f.label}**: {f.why}" for f in figures)


def lesion_table(lesions: Sequence[LesionRow], count: int, key: str) -> tuple[float, float, float] | None:
    """One row per lesion, largest first; returns the centre (RAS+ mm) of the one that was chosen.

    Args:
        count: of all lesions, where not all are listed.
        key: of this very list: another one has no row chosen.
    """
    with st.container(height=TABLE_HEIGHT + 2, border=False, key="lesions-box"):
        if not lesions:
            st.info("No lesion was segmented.", icon=":material/info:")
            return None
        event = st.dataframe(
            pd.DataFrame([_row(row) for row in lesions]),
            hide_index=True,
            height=TABLE_HEIGHT,
            column_config=_columns(),
            on_select="rerun",
            selection_mode="single-row",
            key=f"lesions-{key}",
        )
    if count > len(lesions):
        st.caption(f"The {len(lesions):,} largest of {count:,}.")
    chosen = [row for row in event.selection.rows if row < len(lesions)]
    return lesions[chosen[0]].centre_mm if chosen else None


def _row(row: LesionRow) -> dict[str, object]:
    return {
        "#": row.index,
        "side": row.side,
        "ml": row.volume_ml,
        "max mm": row.max_diameter_mm,
        "mean ADC": row.mean_adc,
        "centre mm": ", ".join(f"{c:.0f}" for c in row.centre_mm),
    }


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "#": column.NumberColumn(width=30),
        "ml": column.NumberColumn(format="%.2f", width=56, help="volume in millilitres"),
        "max mm": column.NumberColumn(
            format="%.0f", width=62, help="largest distance between two of its voxels, in mm"
        ),
        "mean ADC": column.NumberColumn(
            format="%.0f", width=76, help="mean of the positive ADC values, ×10⁻⁶ mm²/s; empty where no ADC is known"
        ),
        "side": column.TextColumn(width=50, help="the patient's side of the mid-plane"),
        "centre mm": column.TextColumn(help="x, y, z in RAS+: x to the patient's right, y forward, z up"),
    }
