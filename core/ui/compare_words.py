"""Two results, or a result and the truth, in numbers: rows with both columns and their difference. Pure."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.evaluation.records import DEFINITIONS, CaseScore
from core.segmentation.results import JobResult
from core.ui.messages import number
from core.ui.result_view import Figure

OPEN = "…"  # being computed; keeps its place
UNDEFINED = " A dash: undefined, one of the masks is empty."
_SCORES = (
    ("dice", "Dice", ""),
    ("avd_ml", "AVD", "ml"),
    ("lesion_f1_isles22", "Lesion F1 ’22", ""),
    ("lesion_f1_isles24", "Lesion F1 ’24", ""),
    ("hd95_mm", "HD95", "mm"),
    ("surface_dice_2mm", "Surface Dice", ""),
)


@dataclass(frozen=True)
class Row:
    """One line: what, both values and their difference as text, and the definition."""

    label: str
    first: str
    second: str
    difference: str
    why: str


def signed(value: float | None, unit: str = "", digits: int = 2) -> str:
    """A difference with its sign, or a dash."""
    if value is None:
        return "–"
    text = f"{value:+.{digits}f}"
    text = text.replace("-", "−") if float(text) else f"{0:.{digits}f}"
    return f"{text} {unit}".strip()


def _row(label: str, first: float | None, second: float | None, unit: str, why: str, digits: int = 2) -> Row:
    """The unit stands with the label, so that both columns are narrow."""
    apart = None if first is None or second is None else second - first
    named = f"{label}, {unit}" if unit else label
    return Row(named, number(first, "", digits), number(second, "", digits), signed(apart, "", digits), why)


def result_rows(first: JobResult, second: JobResult) -> list[Row]:
    """Volumes, lesions and what the runs cost."""
    large, larger = (max((row.volume_ml for row in result.lesions), default=0.0) for result in (first, second))
    core = "Voxels of the mask with ADC below the core threshold, in millilitres."
    without = [result.engine for result in (first, second) if result.core_volume_ml is None]
    if without:
        core += f" A dash: {' and '.join(dict.fromkeys(without))} cannot tell it."
    return [
        _row(
            "Segmented volume", first.volume_ml, second.volume_ml, "ml", "Voxels of the mask times the volume of one."
        ),
        _row("Core", first.core_volume_ml, second.core_volume_ml, "ml", core),
        _row("Lesions", first.lesion_count, second.lesion_count, "", "26-connected parts of the mask.", 0),
        _row("Largest lesion", large, larger, "ml", "Volume of the largest part."),
        _row("Warnings", len(first.warnings), len(second.warnings), "", "Sentences that the engine said.", 0),
        _row("Time", first.seconds, second.seconds, "s", "Wall time of the worker.", 1),
        _row("Peak memory", first.peak_rss_mb, second.peak_rss_mb, "MB", "Of the worker, 10⁶ bytes.", 0),
    ]


def score_rows(first: CaseScore | None, second: CaseScore | None) -> list[Row]:
    """Each result against the truth; None while a score is computed."""
    rows = []
    for name, label, unit in _SCORES:
        values = [None if score is None else getattr(score, name) for score in (first, second)]
        why = DEFINITIONS[name] + UNDEFINED * any(s is not None and getattr(s, name) is None for s in (first, second))
        row = _row(label, values[0], values[1], unit, why)
        one, two = (OPEN if score is None else text for score, text in ((first, row.first), (second, row.second)))
        rows.append(Row(row.label, one, two, row.difference if OPEN not in (one, two) else OPEN, row.why))
    return rows


def truth_rows(result: JobResult, score: CaseScore | None) -> list[Row]:
    """A result and the truth, in what both have."""
    why = "Voxels of the mask times the volume of one."
    if score is None:
        return [Row("Volume, ml", number(result.volume_ml), OPEN, OPEN, why)]
    return [_row("Volume", score.volume_prediction_ml, score.volume_truth_ml, "ml", why)]


def overlap_figures(score: CaseScore | None, names: tuple[str, str]) -> tuple[Figure, ...]:
    """How two results lie over each other; neither is the truth. `score`: of the first against the second."""
    told = (
        ("Dice between the two", "Twice the volume in both over the sum of their volumes; 1 when both are empty."),
        ("In both", "Volume that both mark."),
        ("Only in A", f"Volume that only {names[0]} marks."),
        ("Only in B", f"Volume that only {names[1]} marks."),
    )
    if score is None:
        return tuple(Figure(label, OPEN, why) for label, why in told)
    first, second = score.volume_prediction_ml, score.volume_truth_ml
    both = score.dice * (first + second) / 2
    ml = [max(0.0, first - both), max(0.0, second - both)]
    values = [number(score.dice), number(both, "ml"), *(number(v, "ml") for v in ml)]
    return tuple(Figure(label, value, why) for (label, why), value in zip(told, values, strict=True))


def table_html(rows: Sequence[Row], names: tuple[str, str], heads: tuple[str, str] = ("A", "B")) -> str:
    """The table; each line tells its definition on hover and by Tab.

    Args:
        names: of what the two columns are of, told above them.
        heads: what the columns are called.
    """
    safe: Callable[[str], str] = html.escape
    lines = "".join(
        f'<tr tabindex="0" title="{safe(row.why)}"><th scope="row">{safe(row.label)}</th><td>{safe(row.first)}</td>'
        f"<td>{safe(row.second)}</td><td>{safe(row.difference)}</td></tr>"
        for row in rows
    )
    told = "".join(
        f'<div title="{safe(name)}"><b>{safe(head)}</b> · {safe(name)}</div>'
        for head, name in zip(heads, names, strict=True)
    )
    columns = "".join(f'<th scope="col">{safe(name)}</th>' for name in (*heads, f"{heads[1]} − {heads[0]}"))
    head = f"<caption>{told}</caption><thead><tr><td></td>{columns}</tr></thead>"
    return f'<table class="scope-compare">{head}<tbody>{lines}</tbody></table>'
