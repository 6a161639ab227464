"""The static view: a montage or one slice as a plotly figure, for browsers without WebGL2 or by choice.

Reads the same files as the viewer and draws them the same way: radiological (the patient's left on the right of the
screen), front up, true proportions, truth in sky blue. Sends 8-bit PNGs, not numbers. Keeps nothing: caching is
loaders.py's work.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from core.errors import GridMismatch
from core.imaging.geometry import same_grid
from core.imaging.nifti import read_volume
from core.imaging.volume import Affine, spacing_of
from core.imaging.windowing import adc_scale, auto_window

Palette = Mapping[int, tuple[int, int, int]]
TRUTH = (86, 180, 233)  # sky blue, as in the viewer
PREDICTION = (230, 159, 0)  # orange
AGREEMENT: Palette = {1: (255, 255, 255), 2: PREDICTION, 3: TRUTH}  # true positive, false positive, false negative
DIFFERENCE: Palette = {1: (255, 255, 255), 2: PREDICTION, 3: (204, 121, 167)}  # both, only the one, only the other
OPACITY = 0.45
LARGEST_SIDE = 320  # pixels of one tile; finer images are thinned for the screen only


@dataclass(frozen=True, eq=False)
class Plane:
    """An image laid out for the screen.

    Attributes:
        data: (rows, columns, slices) float32, or bool for a mask: rows from front to back, columns from the patient's
            right to left, slices from foot to head.
        spacing_mm: of rows, columns, slices.
    """

    data: NDArray[Any]
    spacing_mm: tuple[float, float, float]


def to_screen(data: NDArray[Any], affine: Affine) -> Plane:
    """Turn stored axes (X, Y, Z) to the screen by the affine's nearest anatomical axes; no resampling.

    Each stored axis goes to the anatomical axis it is most parallel to, the most certain one first, so that every axis
    is used once, also on oblique grids.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order: dict[int, int] = {}  # anatomical axis -> stored axis
    left = np.abs(directions)
    for _ in range(3):
        anatomical, stored = divmod(int(np.argmax(left)), 3)
        order[anatomical] = stored
        left[anatomical, :] = left[:, stored] = -1
    turned = np.transpose(data, (order[1], order[0], order[2]))
    # rows run to the back (-A), columns to the patient's left (-R: radiological), slices to the head (+S)
    for axis, (anatomical, wanted_plus) in enumerate(((1, False), (0, False), (2, True))):
        if (directions[anatomical, order[anatomical]] > 0) != wanted_plus:
            turned = np.flip(turned, axis)
    size = spacing_of(affine)
    return Plane(turned, (size[order[1]], size[order[0]], size[order[2]]))


@dataclass(frozen=True, eq=False)
class Sheet:
    """One image laid out and windowed, ready to be drawn; a byte per voxel.

    Attributes:
        grey: (rows, columns, slices) uint8, cropped to what is not background.
        labels: the overlay on the same voxels, 0 outside, or None.
        spacing_mm: of rows, columns, slices.
        palette: label -> colour.
    """

    grey: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    spacing_mm: tuple[float, float, float]
    palette: Palette

    @property
    def count(self) -> int:
        """Number of axial slices."""
        return int(self.grey.shape[2])

    def most_marked(self) -> int:
        """Number of the slice, from 0, with the most of the overlay; the middle one without any."""
        if self.labels is None or not self.labels.any():
            return self.count // 2
        return int(np.argmax((self.labels > 0).sum(axis=(0, 1))))


def load_sheet(
    volume_path: Path,
    overlay_path: Path | None = None,
    window: tuple[float, float] | None = None,
    scale: float | Literal["adc"] = 1.0,
    palette: Palette | None = None,
) -> Sheet:
    """Read and window an image, with its overlay.

    Args:
        window: (low, high) in displayed units; None for percentiles.
        scale: displayed value = scale × the file's value; "adc" finds the factor to 10⁻⁶ mm²/s.
        palette: label -> colour; None for a mask in the truth's colour.

    Raises:
        BadVolume: a file that cannot be read. GridMismatch: the overlay lies on another grid.
    """
    volume = read_volume(volume_path)
    overlay = None if overlay_path is None else read_volume(overlay_path)
    if overlay is not None and not same_grid(volume.data.shape, volume.affine, overlay.data.shape, overlay.affine):
        raise GridMismatch("the mask does not lie on the image's grid", hint="show the image without it")
    factor = adc_scale(volume.data[volume.data > 0]) if scale == "adc" else scale
    low, high = auto_window(volume.data) if window is None else (window[0] / factor, window[1] / factor)
    image = to_screen(volume.data, volume.affine)
    rows, columns = _content(image.data, (low, high))
    shown = image.data[rows, columns, :]
    grey = np.empty(shown.shape, np.uint8)
    for k in range(image.data.shape[2]):  # slice by slice: no second float copy of a large image
        grey[:, :, k] = np.clip((shown[:, :, k] - low) / max(high - low, 1e-12), 0, 1) * 255
    labels = None
    if overlay is not None:
        labels = np.rint(to_screen(overlay.data, overlay.affine).data[rows, columns, :]).astype(np.uint8)
    return Sheet(grey, labels, image.spacing_mm, palette or {1: TRUTH})


def worth_showing(sheet: Sheet, count: int = 24) -> tuple[int, ...]:
    """At most `count` slice numbers from 0, evenly over those that show something."""
    return tuple(int(k) for k in _worth_showing(sheet.grey, count))


def montage_of(sheet: Sheet, shown: Sequence[int] | None = None, columns: int = 6) -> go.Figure:
    """Axial slices, foot first; `shown` are their numbers from 0, by default those worth showing."""
    shown = shown or worth_showing(sheet)
    tiles = [_paint(sheet, k) for k in shown]
    height, width = tiles[0].shape[:2]
    used = min(columns, len(tiles))
    picture = np.zeros((height * -(-len(tiles) // used), width * used, 3), dtype=np.uint8)
    corners = [((place // used) * height, (place % used) * width) for place in range(len(tiles))]
    for (top, left), painted in zip(corners, tiles, strict=True):
        picture[top : top + height, left : left + width] = painted
    return _figure(
        picture, f"Axial slices {shown[0] + 1} to {shown[-1] + 1} of {sheet.count}", corners, (height, width)
    )


def slice_of(sheet: Sheet, index: int) -> go.Figure:
    """One axial slice; index from 0 at the foot, kept inside the image."""
    k = min(max(index, 0), sheet.count - 1)
    painted = _paint(sheet, k)
    return _figure(painted, f"Axial slice {k + 1} of {sheet.count}", [(0, 0)], painted.shape[:2])


def _content(data: NDArray[Any], levels: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns that hold more than background in some slice, with a margin; everything when none does."""
    found = (data > levels[0] + 0.1 * (levels[1] - levels[0])).any(axis=2)
    ranges = []
    for axis in (0, 1):
        where = np.flatnonzero(found.sum(axis=1 - axis) > 2)
        margin = max(2, data.shape[axis] // 40)
        full = where.size == 0
        first, last = (0, data.shape[axis]) if full else (int(where[0]) - margin, int(where[-1]) + margin + 1)
        ranges.append(slice(max(0, first), last))
    return ranges[0], ranges[1]


def _worth_showing(data: NDArray[Any], count: int) -> NDArray[np.int64]:
    """At most `count` slice numbers, evenly over those that hold more than background."""
    spread = np.ptp(data[::4, ::4], axis=(0, 1))
    filled = np.flatnonzero(spread > 0.2 * spread.max()) if spread.size and spread.max() > 0 else np.arange(0)
    first, last = (int(filled[0]), int(filled[-1])) if filled.size else (0, data.shape[2] - 1)
    number = min(count, last - first + 1)
    return np.unique(np.linspace(first, last, number).round().astype(np.int64))


def _paint(sheet: Sheet, k: int) -> NDArray[np.uint8]:
    """One slice as (rows, columns, 3) with square pixels."""
    painted = np.repeat(sheet.grey[:, :, k][:, :, None], 3, axis=2)
    if sheet.labels is not None:
        for label, colour in sheet.palette.items():
            inside = sheet.labels[:, :, k] == label
            painted[inside] = ((1 - OPACITY) * painted[inside] + OPACITY * np.array(colour)).astype(np.uint8)
    tall, wide = (n * size for n, size in zip(painted.shape[:2], sheet.spacing_mm[:2], strict=True))
    fine = min(sheet.spacing_mm[:2])
    shrink = min(1.0, LARGEST_SIDE * fine / max(tall, wide))
    size = max(1, round(wide / fine * shrink)), max(1, round(tall / fine * shrink))
    kind = Image.Resampling.BOX if shrink < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(painted).resize(size, kind), dtype=np.uint8)


def _figure(
    picture: NDArray[np.uint8], title: str, corners: Sequence[tuple[int, int]], tile: tuple[int, ...]
) -> go.Figure:
    """The picture with the sides of each of its slices named, nothing else.

    Args:
        corners: (top, left) of each slice; tile: their height and width.
    """
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    height, width = picture.shape[:2]
    figure = go.Figure(go.Image(source=source, hoverinfo="skip"))
    font = {"size": 20 if len(corners) == 1 else 11, "color": "white"}
    for top, left in corners:  # in the picture's own pixels: the letters stay with it, however wide the screen is
        middle = top + tile[0] / 2
        for text, x, anchor in (("<b>R</b>", left, "left"), ("<b>L</b>", left + tile[1] - 1, "right")):
            figure.add_annotation(text=text, x=x, y=middle, xanchor=anchor, showarrow=False, font=font)
    figure.add_annotation(
        text="Radiological · patient’s left on the right · Research use only",
        **{"showarrow": False, "font": {"size": 12, "color": "#aab1bc"}, "xref": "paper", "yref": "paper"},
        x=0.005,
        y=0.005,
        xanchor="left",
        yanchor="bottom",
    )
    figure.update_xaxes(visible=False, range=[-0.5, width - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[height - 0.5, -0.5], scaleanchor="x")
    figure.update_layout(
        title={"text": title, "font": {"size": 13, "color": "#aab1bc"}, "x": 0.01},
        margin={"l": 0, "r": 0, "t": 28, "b": 0},
        paper_bgcolor="black",
        plot_bgcolor="black",
        dragmode="pan",
    )
    return figure
