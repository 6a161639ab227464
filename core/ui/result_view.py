"""A result in numbers: volumes, lesions and scores, each with its unit and its definition one hover away."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd
import streamlit as st

from core.evaluation.records import DEFINITIONS, TASK_NOTE, CaseScore
from core.segmentation.results import JobResult
from core.ui.messages import number

_SCORES: tuple[tuple[str, str, str], ...] = (
    ("dice", "Dice", ""),
    ("avd_ml", "AVD", "ml"),
    ("lesion_f1_isles22", "Lesion F1 ’22", ""),
    ("lesion_f1_isles24", "Lesion F1 ’24", ""),
    ("hd95_mm", "HD95", "mm"),
    ("surface_dice_2mm", "Surface Dice 2 mm", ""),
    ("lesion_count_difference", "Lesion count diff.", ""),
    ("volume_truth_ml", "Truth volume", "ml"),
)
_VOLUMES = {
    "Segmented volume": "Voxels of the mask times the volume of one voxel, on the DWI's own grid, in millilitres.",
    "Core": "Voxels of the mask with ADC below the core threshold (620 ×10⁻⁶ mm²/s unless changed), in millilitres.",
    "Lesions": "Parts of the mask; voxels that share a face, an edge or a corner belong to one part (26-connectivity).",
}


@dataclass(frozen=True)
class Figure:
    """One number on screen. `why` is its definition."""

    label: str
    value: str
    why: str


def volume_figures(result: JobResult) -> tuple[Figure, ...]:
    """Segmented volume, core and lesion count."""
    values = (number(result.volume_ml, "ml"), number(result.core_volume_ml, "ml"), str(result.lesion_count))
    return tuple(Figure(label, value, why) for (label, why), value in zip(_VOLUMES.items(), values, strict=True))


def score_figures(score: CaseScore) -> tuple[Figure, ...]:
    """Every metric; an undefined one is a dash, and its definition says why."""
    values = asdict(score)
    figures = []
    for name, label, unit in _SCORES:
        value = values[name]
        whole = isinstance(value, int)
        text = "–" if value is None else str(value) if whole else number(value, unit)
        why = DEFINITIONS[name] + (" Undefined here: one of the masks is empty." if value is None else "")
        figures.append(Figure(label, text, why))
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


def numbers(result: JobResult, score: CaseScore | None) -> None:
    """The volumes, then the score if there is a truth, then all definitions in words."""
    figures = volume_figures(result)
    st.html(figures_html(figures))
    if score is not None:
        against = score_figures(score)
        st.markdown("**Against the truth**", help=TASK_NOTE)
        st.html(figures_html(against))
        figures += against
    with st.popover("Definitions", icon=":material/help:"):
        st.markdown("\n".join(f"- **{f.label}**: {f.why}" for f in figures) + f"\n\n{TASK_NOTE}")


def lesion_table(result: JobResult) -> tuple[float, float, float] | None:
    """One row per lesion, largest first; returns the centre (RAS+ mm) of the one that was chosen."""
    if not result.lesions:
        st.info("No lesion was segmented.", icon=":material/info:")
        return None
    rows = [
        {
            "#": row.index,
            "side": row.side,
            "ml": row.volume_ml,
            "max mm": row.max_diameter_mm,
            "mean ADC": row.mean_adc,
            "centre mm": ", ".join(f"{c:.0f}" for c in row.centre_mm),
        }
        for row in result.lesions
    ]
    config = {
        "ml": st.column_config.NumberColumn(format="%.2f", help="volume in millilitres"),
        "max mm": st.column_config.NumberColumn(
            format="%.0f", help="largest distance between two of its voxels, in mm"
        ),
        "mean ADC": st.column_config.NumberColumn(format="%.0f", help="mean of the positive ADC values, ×10⁻⁶ mm²/s"),
        "side": st.column_config.TextColumn(help="the patient's side of the mid-plane"),
        "centre mm": st.column_config.TextColumn(help="x, y, z in RAS+: x to the patient's right, y forward, z up"),
    }
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=min(220, 38 + 35 * len(rows)),
        column_config=config,
        on_select="rerun",
        selection_mode="single-row",
        key=f"lesions-{result.mask.parent.name}",
    )
    chosen = [row for row in event.selection.rows if row < len(result.lesions)]
    return result.lesions[chosen[0]].centre_mm if chosen else None
