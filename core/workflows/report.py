"""Report: one result as a single HTML file that opens offline and prints on two A4 pages.

Key slices with outlines, numbers with units and definitions, lesions, warnings and provenance. Loads nothing, runs no
script, and escapes whatever came from a file. Long lists are cut, and say by how much. Measures nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.case import MODALITIES
from core.errors import BadVolume, GridMismatch
from core.evaluation.records import DEFINITIONS
from core.imaging import figure, nifti
from core.imaging.geometry import same_grid, world
from core.imaging.volume import Affine, Mask
from core.imaging.windowing import adc_scale, auto_window, presets
from core.segmentation.results import JobResult
from core.workflows.members import members, sentence
from core.workflows.notes import in_words
from core.workflows.origin import Origin
from core.workflows.report_parts import MORE, bullets, clip, document, lines_of, page, panel, table

NOTICE = "Research use only, not a medical device."
MOST_LESIONS = 8
ROOM = 16  # lines of page 2 for warnings and known failures together; a warning is never cut
MADE = "%Y-%m-%d %H:%M UTC"
SHOWN = 2  # images side by side, e.g. DWI and ADC
_SCORES = (
    ("dice", "Dice", ""),
    ("avd_ml", "Volume difference", "ml"),
    ("volume_truth_ml", "Volume of the truth", "ml"),
    ("lesion_f1_isles22", "Lesion F1, ISLES'22", ""),
    ("lesion_f1_isles24", "Lesion F1, ISLES'24", ""),
    ("lesion_count_difference", "Lesion count difference", ""),
    ("hd95_mm", "HD95", "mm"),
    ("surface_dice_2mm", "Surface Dice, 2 mm", ""),
)
_AT = "z: height (RAS+) of the middle of what is marked in the slice, or of the slice"
_VOLUMES = (
    ("Segmented volume", "voxels of the mask times the volume of one voxel"),
    ("Core", "voxels of the mask with an ADC below the core threshold (620 ×10⁻⁶ mm²/s unless changed)"),
    ("Lesions", "parts of the mask; voxels that share a face, an edge or a corner belong to one (26-connectivity)"),
)


@dataclass(frozen=True)
class Subject:
    """What a report shows beside the result.

    Attributes:
        images: input -> file, the first SHOWN of which on the mask's grid are drawn, e.g. {"dwi": …, "adc": …}.
        source: in words that name no folder of this machine, with its revision.
        truth: a mask on the same grid, or None.
        scores: as CaseScore.to_json gives them, of this very mask; None without a truth. A missing key is not shown.
        session: when the images were taken, in words (Origin.when).
        made: when, in words; "" leaves it out and makes equal results give equal bytes.
        about_scores: what a score of this source is of (Origin.about_scores).
        extra: sentences to stand among the warnings.
    """

    images: Mapping[str, Path]
    source: str
    truth: Path | None = None
    scores: Mapping[str, float | int | None] | None = None
    made: str = ""
    session: str = "not told"
    about_scores: str = ""
    extra: tuple[str, ...] = ()


def subject_of_report(origin: Origin, images: Mapping[str, Path], made: str) -> Subject:
    """These images, in the words of their origin; without a truth."""
    return Subject(images, origin.title, made=made, session=origin.when(images), about_scores=origin.about_scores)


def html_report(result: JobResult, told: Mapping[str, Any], subject: Subject) -> bytes:
    """The report.

    Args:
        told: the result's sidecar (export.read_sidecar).

    Raises:
        BadVolume: a file is damaged. GridMismatch: the truth lies on another grid.
    """
    case = clip(result.case_id or "images without a case", 45)
    side = f"{clip(result.engine, 40)} {clip(result.engine_version, 40)}"
    pictures, remarks = _pictures(result, subject)
    first = _about(result, told, subject) + pictures + _volumes(result) + _lesions(result)
    warnings = [*result.warnings, *remarks, *subject.extra]
    second = _scores(subject, told) + _warnings(warnings, told) + _provenance(result, told, subject)
    title = f"Lesion segmentation · {case}"
    notice = f"{NOTICE} A segmented volume is no finding; look at the images."
    return document(title, (page(title, side, notice, first), page(title, side, notice, second)))


# Page 1


def _about(result: JobResult, told: Mapping[str, Any], subject: Subject) -> str:
    by = told.get("GeneratedBy", {})
    rows = [
        ("Session", clip(subject.session, 120), "Source", clip(subject.source, 90)),
        ("Engine", clip(by.get("Label", result.engine), 90), "Task", clip(by.get("Task", "not told"), 90)),
    ]
    if subject.made:
        rows.append(("Made", clip(subject.made, 40), "", ""))
    return table((), rows, ("k", "", "k", ""))


def _pictures(result: JobResult, subject: Subject) -> tuple[str, list[str]]:
    """The key slices, and sentences about what could not be drawn."""
    mask = nifti.read_mask(result.mask)
    truth = _truth(subject.truth, mask)
    lay = figure.lay_of(mask.affine)
    slices = figure.key_slices([mask.data, *([truth.data] if truth else [])], lay)
    marks = [_cut(one, lay, slices) for one in (mask, truth)]
    heights = [_height(mask.affine, lay, k, [one[i] for one in marks if one is not None]) for i, k in enumerate(slices)]
    drawn: list[str] = []
    remarks: list[str] = []
    for name, path in subject.images.items():
        header = nifti.read_header(path)
        if len(drawn) == SHOWN * len(slices):
            break
        if header.volumes != 1 or not same_grid(header.grid, header.affine, mask.data.shape, mask.affine):
            remarks.append(f"{_label(name)} lies on another grid than the mask and is not drawn.")
            continue
        drawn += _row(name, path, lay, slices, marks, heights)
    key = '<p class="legend"><b></b> prediction (dashed)' + (' <b class="t"></b> truth' if truth else "")
    said = "most lesion" if mask.data.any() or (truth and truth.data.any()) else "the middle; no lesion"
    note = f"{key} · slices with {said} · radiological convention: the patient's right on the left · {_AT}</p>"
    beside = max(2, len(slices))
    style = f"grid-template-columns: repeat({beside}, 1fr)"
    return f'<div class="slices" style="{style}">{"".join(drawn)}</div>{note}', remarks


def _row(
    name: str,
    path: Path,
    lay: figure.Lay,
    slices: tuple[int, ...],
    marks: list[list[NDArray[np.bool_]] | None],
    heights: list[float],
) -> list[str]:
    planes = figure.read_planes(path, lay, slices)
    low, high, words = _window(name, np.stack(planes))
    rows, columns = figure.content(planes, low, high, lay)
    out = []
    for i, plane in enumerate(planes):
        prediction, truth = (None if one is None else one[i][rows, columns] for one in marks)
        png = figure.picture(plane[rows, columns], (low, high), lay, prediction, truth)
        out.append(panel(png, _label(name), f"z {heights[i]:.0f} mm", clip(words, 40)))
    return out


def _truth(path: Path | None, mask: Mask) -> Mask | None:
    if path is None:
        return None
    truth = nifti.read_mask(path)
    if not same_grid(truth.data.shape, truth.affine, mask.data.shape, mask.affine):
        raise GridMismatch("the truth does not lie on the mask's grid", hint="make the report without it")
    return truth


def _cut(mask: Mask | None, lay: figure.Lay, slices: tuple[int, ...]) -> list[NDArray[np.bool_]] | None:
    return None if mask is None else [lay.turned(np.take(mask.data, k, axis=lay.slices)) for k in slices]


def _height(affine: Affine, lay: figure.Lay, k: int, marked: list[NDArray[np.bool_]]) -> float:
    """Of the middle of what is marked in that slice, or of the slice: on a tilted grid its edges lie elsewhere.

    Args:
        marked: planes on the screen's axes.
    """
    plane = np.any(marked, axis=0)
    where = np.argwhere(plane) if plane.any() else np.array([np.subtract(plane.shape, 1)]) / 2
    row, column = where.mean(axis=0)
    index = [0.0, 0.0, 0.0]
    index[lay.rows] = plane.shape[0] - 1 - row if lay.flip_rows else row
    index[lay.columns] = plane.shape[1] - 1 - column if lay.flip_columns else column
    index[lay.slices] = k
    return float(world(affine, index)[2])


def _window(name: str, values: NDArray[np.float32]) -> tuple[float, float, str]:
    """(low, high) in the file's values, and the window in words."""
    preset = next(iter(presets(name)), None)
    if preset is None or preset.low is None or preset.high is None:
        low, high = auto_window(values)
        return low, high, ""
    try:
        factor = adc_scale(values) if name == "adc" else 1.0
    except BadVolume:  # an ADC whose unit nobody can tell is still worth a look
        low, high = auto_window(values)
        return low, high, "(unit unknown)"
    unit = MODALITIES[name].unit
    return preset.low / factor, preset.high / factor, f"{preset.low:g} to {preset.high:g} {unit}"


def _volumes(result: JobResult) -> str:
    values = (_number(result.volume_ml, "ml"), _number(result.core_volume_ml, "ml"), str(result.lesion_count))
    rows = [(label, value, why) for (label, why), value in zip(_VOLUMES, values, strict=True)]
    return "<h2>Volumes</h2>" + table((), rows, ("k", "n", "d"))


def _lesions(result: JobResult) -> str:
    if not result.lesions:
        return "<h2>Lesions</h2><p>No lesion was segmented.</p>"
    head = ("#", "side", "volume, ml", "largest diameter, mm", "mean ADC, ×10⁻⁶ mm²/s", "centre x, y, z, mm (RAS+)")
    listed = result.lesions[:MOST_LESIONS]
    rows = [
        (
            str(row.index),
            clip(row.side, 12),
            f"{row.volume_ml:.2f}",
            f"{row.max_diameter_mm:.0f}",
            "–" if row.mean_adc is None else f"{row.mean_adc:.0f}",
            ", ".join(f"{c:.0f}" for c in row.centre_mm),
        )
        for row in listed
    ]
    rest = result.lesion_count - len(listed)  # of thousands only the largest have a row
    volume = max(0.0, result.volume_ml - sum(row.volume_ml for row in listed))
    more = f'<p class="small">and {rest:,} smaller, {volume:.2f} ml together</p>'
    return "<h2>Lesions, largest first</h2>" + table(head, rows) + (more if rest > 0 else "")


# Page 2


def _scores(subject: Subject, told: Mapping[str, Any]) -> str:
    if subject.scores is None:
        return "<h2>Against the truth</h2><p>There is no truth to compare with.</p>"
    rows = []
    for name, label, unit in _SCORES:
        if name in subject.scores:
            value = subject.scores[name]
            text = str(value) if isinstance(value, int) else _number(value, unit)
            rows.append((label, text, clip(DEFINITIONS[name], 330)))
    task = str(told.get("GeneratedBy", {}).get("Task") or "not told")
    said = clip(f"{subject.about_scores} The engine's task: {task}.", 450)
    note = f'<p class="small">{said}</p>'
    return "<h2>Against the truth</h2>" + table((), rows, ("k", "n", "d")) + note


def _warnings(warnings: list[str], told: Mapping[str, Any]) -> str:
    failures = [str(line) for line in told.get("KnownFailures", [])]
    room = ROOM - MORE
    return (
        f"<h2>Warnings of this run</h2>{bullets(warnings, room)}"
        f"<h2>Validation and known failures</h2><p>{clip(told.get('Validated', 'not told'), 240)}</p>"
        f"{bullets(failures, max(MORE, room - lines_of(warnings)))}"
    )


def _provenance(result: JobResult, told: Mapping[str, Any], subject: Subject) -> str:
    by, host = told.get("GeneratedBy", {}), told.get("Host", {})
    inputs = told.get("Inputs", {})
    sums = "<br>".join(
        f"{clip(n, 20)} <code>{clip(i.get('sha256', ''), 64)}</code>" for n, i in list(inputs.items())[:6]
    )
    chosen = list(told.get("Parameters", {}).items())
    words = [f"{name} = {p.get('value', '')} {p.get('unit', '')}".strip() for name, p in chosen]
    ram = host.get("MemoryLimitMB")
    machine = f"{clip(host.get('Processors', '?'), 6)} processors" + (f", {ram:.0f} MB RAM" if ram else "")
    notes = "; ".join(f"{name}: {value}" for name, value in in_words(told.get("Notes", {})))
    rows = [
        ("Inputs, sha256", sums or "–"),
        ("Source", clip(subject.source, 120)),
        ("Engine", f"{clip(result.engine, 40)} {clip(result.engine_version, 60)}, threshold {result.threshold:g}"),
        ("Parameters", clip("; ".join(words) or "none", 450)),
        ("Cost", f"{result.seconds:.1f} s, at most {result.peak_rss_mb:.0f} MB RAM, on {machine}"),
        ("Notes", clip(notes or "none", 220)),
        ("Licence", clip(by.get("Licence", "not told"), 125)),
        ("To cite", clip(by.get("Citation", "not told"), 220)),
    ]
    joined = "; ".join(map(sentence, members(told)))
    if joined:
        rows.append(("Members", clip(joined, 700)))
    return "<h2>Provenance</h2>" + table((), rows, ("k", ""))


def _label(name: str) -> str:
    return clip(MODALITIES[name].label if name in MODALITIES else name, 30)


def _number(value: float | None, unit: str) -> str:
    if value is None or not math.isfinite(value):
        return "– (undefined)"
    return f"{value:.2f} {unit}".strip()
