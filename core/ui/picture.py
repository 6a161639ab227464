"""The picture: one or two images of one case with their overlays, in the NiiVue viewer or as a static view.

Publishes files to this session under unguessable addresses and describes them to the viewer. Decodes nothing, but
for the static view, which goes through the door unless it is ready.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from core.case import MODALITIES, CaseRef
from core.errors import StrokescopeError
from core.imaging.nifti import read_header
from core.imaging.windowing import colour_map, presets
from core.resources.cost import view_step
from core.sources.protocol import Cancelled, Fetched, Report, Source
from core.ui import loaders, messages
from core.ui.slices import Sheet, montage_of, slice_of, worth_showing
from core.ui.viewer_component import Command, Overlay, Panel, View, show
from core.ui.volumes import current_session
from core.ui.waiting import outcome, retry, told_to, watcher
from core.workflows import segment_case
from core.workflows.explore_case import is_isles24, session_label

HEIGHT = 690
_SHEETS = "sheets"


@dataclass(frozen=True)
class Layer:
    """A mask or a map over images: where it lies, what it is called, whose colour; kind and names as Overlay's."""

    path: Path
    name: str
    label: str
    color: Literal["truth", "prediction"]
    kind: Literal["mask", "labels3", "differ3", "heat"] = "mask"
    names: tuple[str, str] | None = None


@dataclass(frozen=True)
class Shown:
    """One image on screen.

    Attributes:
        name: key of core.case.MODALITIES.
        label, note: the head of its panel; "" for the modality and its session.
        layers: over this image alone.
    """

    name: str
    path: Path
    label: str = ""
    note: str = ""
    layers: tuple[Layer, ...] = ()


def truth_layer(path: Path, spec: str) -> Layer:
    """The ground truth, sky blue, named with its session where that is known."""
    return Layer(path, "truth", "truth (follow-up MRI)" if is_isles24(spec, path) else "truth", "truth")


def draw_picture(
    source: Source,
    case: CaseRef,
    images: Sequence[str],
    fetched: Fetched,
    truth: str | None = None,
    layers: Sequence[Layer] = (),
    height: int = HEIGHT,
    focus: tuple[float, float, float] | None = None,
    outlines: bool = False,
) -> Command | None:
    """Draw images and overlays; returns a command from the keyboard, if one was given since the last run."""
    all_layers = list(layers)
    if truth is not None and truth in fetched.files:
        all_layers.append(truth_layer(fetched.files[truth].path, source.spec))
    panels = [Shown(n, fetched.files[n].path) for n in images]
    return draw_panels(source, case, panels, all_layers, height, focus, outlines)


def draw_panels(
    source: Source,
    case: CaseRef,
    shown: Sequence[Shown],
    layers: Sequence[Layer] = (),
    height: int = HEIGHT,
    focus: tuple[float, float, float] | None = None,
    outlines: bool = False,
) -> Command | None:
    """As `draw_picture`, for one or two images with layers of their own; the same image may stand beside itself."""
    if st.session_state.pop("no-webgl2", False):
        st.session_state["static-view"] = True
    if st.session_state.get("static-view", False):
        try:
            _static(source, case.case_id, shown, layers)
        except StrokescopeError as error:
            messages.failure(error, "static", _static_again)
        _static_toggle()
        return None
    view = View(
        title=case.case_id,
        panels=tuple(_panel(source.spec, one) for one in shown),
        overlays=tuple(_overlay(layer) for layer in layers),
        synthetic=source.synthetic or any(read_header(s.path).description.startswith("synthetic") for s in shown),
        focus=focus,
        outlines=outlines,
    )
    seen = show(view, key="viewer", height=height, volumes=loaders.volumes())
    _static_toggle()
    if seen.command is not None and seen.command.kind == "no-webgl2":
        st.session_state["no-webgl2"] = True
        st.rerun()
    return seen.command


def _panel(spec: str, shown: Shown) -> Panel:
    name = shown.name
    modality = MODALITIES[name]
    return Panel(
        url=_publish(shown.path, name),
        label=shown.label or modality.label,
        session_label=shown.note or session_label(spec, name, shown.path),
        modality=name,
        unit=modality.unit,
        presets=tuple((p.name, p.low, p.high) for p in presets(name) if p.low is not None and p.high is not None),
        window=_first_window(name),
        colormap=colour_map(name),
        scale="adc" if name == "adc" else 1.0,
        overlays=tuple(_overlay(layer) for layer in shown.layers),
    )


def _overlay(layer: Layer) -> Overlay:
    return Overlay(_publish(layer.path, layer.name), layer.label, layer.kind, layer.color, layer.names)


def _publish(path: Path, name: str) -> str:
    suffix = ".nii.gz" if path.name.endswith(".gz") else ".nii"
    return loaders.volumes().publish(current_session() or "", path, f"{name}{suffix}")


def _first_window(name: str) -> tuple[float, float] | None:
    """The default preset; None where it depends on the image."""
    for preset in presets(name)[:1]:
        if preset.low is not None and preset.high is not None:
            return preset.low, preset.high
    return None


def _static_toggle() -> None:
    told = "Pictures drawn by the server, for browsers without WebGL2."
    st.toggle("Static view", key="static-view", persist_state="session", help=told)


def _sheet(word: str, name: str, path: Path, layer: Layer | None) -> Sheet:
    """One image ready to be drawn; what it waits for is told. `word`: the case in the record."""
    over = None if layer is None else layer.path
    stamps = tuple(p.stat().st_mtime for p in (path, *([over] if over else [])))
    kind = "" if layer is None else layer.color if layer.kind == "mask" else layer.kind
    window, adc = _first_window(name), name == "adc"
    step = view_step(segment_case.voxels_of(path), over is not None, window is None, adc, word)
    tasks, guard, me = loaders.drawings(), loaders.guard(), watcher()
    key = ("sheet", path, over, stamps, kind)

    def ready(report: Report, cancelled: Cancelled) -> Sheet:
        door = functools.partial(guard.enter, step, "decode", me, cancelled, told_to(report, "Drawing"))
        return loaders.sheet(path, over, stamps, window, adc, kind, door)

    st.session_state[_SHEETS].append(key)
    tasks.drop_done(key)
    try:
        made: Sheet = outcome(tasks, key, f"Drawing {MODALITIES[name].label}", ready, unit="%")
    finally:
        tasks.drop_done(key)  # kept by loaders.sheet alone, which gives it back when RAM is short
    return made


def _static_again() -> None:
    """Forget what went wrong with the static view."""
    for key in st.session_state.get(_SHEETS, ()):
        retry(loaders.drawings(), key)


def _static(source: Source, case_id: str, shown: Sequence[Shown], layers: Sequence[Layer]) -> None:
    """A montage, or one slice chosen by a slider, of each image; the patient's left is on the right."""
    word = segment_case.recorded_case(loaders.settings(), case_id, source.spec)
    st.session_state[_SHEETS] = []
    over = [next((layer for layer in (*one.layers, *layers) if layer.kind != "heat"), None) for one in shown]
    sheets = [_sheet(word, one.name, one.path, layer) for one, layer in zip(shown, over, strict=True)]
    ways = ["Montage", "One slice"]
    way = st.segmented_control(
        "Layout", ways, default=ways[0], required=True, key="static-way", label_visibility="collapsed"
    )
    counts = {s.count for s in sheets}
    numbers = worth_showing(sheets[0]) if len(counts) == 1 else None  # the same slices side by side
    chosen = 0
    if way == ways[1]:
        last = min(counts)
        first = min(last, sheets[0].most_marked() + 1)
        key = f"static-slice-{'-'.join(one.name for one in shown)}"
        chosen = st.slider("Slice, from the foot", 1, last, first, key=key)
    columns = st.columns(len(sheets))
    for place, (column, one, sheet, layer) in enumerate(zip(columns, shown, sheets, over, strict=True)):
        with column:
            badge = ":violet-badge[synthetic] " if source.synthetic else ""
            note = one.note or session_label(source.spec, one.name, one.path)
            told = f"overlay: {layer.label}" if layer else ""
            st.markdown(f"{badge}**{one.label or MODALITIES[one.name].label}** · {note} {told}")
            figure = montage_of(sheet, numbers) if way == ways[0] else slice_of(sheet, chosen - 1)
            st.plotly_chart(figure, key=f"static-{one.name}-{place}", config={"displayModeBar": False})
    if any(layer.kind == "heat" for layer in (*layers, *(found for one in shown for found in one.layers))):
        st.caption("The static view does not draw probability maps; the interactive viewer does.")
