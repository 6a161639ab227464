"""A result in numbers: volumes, lesions and scores, each with its unit and its definition one hover away."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from core.evaluation.score import DEFINITIONS, CaseScore
from core.segmentation.results import JobResult
from core.ui.messages import number

_ROWS: tuple[tuple[str, str, str], ...] = (
    ("dice", "Dice", ""),
    ("avd_ml", "AVD", "ml"),
    ("lesion_count_difference", "Lesion count difference", ""),
    ("lesion_f1_isles22", "Lesion F1 (ISLES'22)", ""),
    ("lesion_f1_isles24", "Lesion F1 (ISLES'24)", ""),
    ("hd95_mm", "HD95", "mm"),
    ("surface_dice_2mm", "Surface Dice (2 mm)", ""),
)


def numbers(result: JobResult) -> None:
    """Segmented volume, core volume and lesion count."""
    first, second, third = st.columns(3)
    first.metric(
        "Segmented volume",
        number(result.volume_ml, "ml"),
        help="Voxels of the mask × voxel volume on the DWI's own grid.",
    )
    second.metric(
        "Core (ADC < 620)",
        number(result.core_volume_ml, "ml"),
        help="Voxels of the mask with ADC below 620 ×10⁻⁶ mm²/s (or the threshold chosen under Parameters).",
    )
    third.metric(
        "Lesions", str(result.lesion_count), help="Components of the mask that touch by face, edge or corner (26)."
    )


def score_line(score: CaseScore) -> None:
    """Every metric against the truth."""
    st.markdown("**Against the truth** · segmentation of the follow-up DWI, not prediction from acute images")
    values = asdict(score)
    cells = st.columns(4)
    for i, (name, label, unit) in enumerate(_ROWS):
        value = values[name]
        text = "–" if value is None else str(int(value)) if name.endswith("difference") else number(value, unit)
        why = " Undefined here: one of the masks is empty." if value is None else ""
        cells[i % 4].metric(label, text, help=DEFINITIONS[name] + why)
    cells[3].metric("Truth volume", number(score.volume_truth_ml, "ml"), help=DEFINITIONS["volume_truth_ml"])


def lesion_table(result: JobResult) -> None:
    """One row per lesion, largest first."""
    if not result.lesions:
        st.info("No lesion was segmented.", icon=":material/info:")
        return
    rows = [
        {
            "#": row.index,
            "side": row.side,
            "ml": row.volume_ml,
            "max mm": row.max_diameter_mm,
            "mean ADC": row.mean_adc,
            "centre x, y, z mm": ", ".join(f"{c:.0f}" for c in row.centre_mm),
        }
        for row in result.lesions
    ]
    config = {
        "ml": st.column_config.NumberColumn(format="%.2f", help="volume in millilitres"),
        "max mm": st.column_config.NumberColumn(format="%.0f", help="largest distance between two voxels, in mm"),
        "mean ADC": st.column_config.NumberColumn(format="%.0f", help="mean ADC in ×10⁻⁶ mm²/s"),
        "side": st.column_config.TextColumn(help="the patient's side"),
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(250, 38 + 35 * len(rows)), column_config=config)
