"""The viewer as a Streamlit component: what it shows (View) and what comes back (ViewerState).

Tells the browser which files to read and how to present them; the pictures, the toolbar and the keys are the browser's
work (core/ui/viewer/src). Sends no voxels over the websocket, and decides nothing about cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import streamlit as st

from core.errors import ViewerError, ViewerNotBuilt
from core.ui.volumes import Volumes

HEIGHT = 680
Preset = tuple[str, float, float]

# Mounted once, called again for each new state; the bundle is imported once per page and kept by the browser.
_LOADER = """
const slots = new WeakMap()
export default function (component) {
  const { parentElement, data } = component
  if (!slots.has(parentElement)) slots.set(parentElement, { gone: false })
  const slot = slots.get(parentElement)
  slot.latest = component
  import(new URL(data.bundle, location.origin).href).then((module) => {
    if (slot.gone || slot.latest !== component) return
    slot.module = module
    module.update(component)
  }).catch((error) => {
    console.error(error)
    if (slot.gone || slot.module) return
    const text = document.createElement('p')
    text.setAttribute('role', 'alert')
    text.textContent = 'The viewer could not be loaded; reload the page.'
    parentElement.replaceChildren(text)
  })
  return () => { slot.gone = true; slot.module?.unmount(parentElement) }
}
"""


@dataclass(frozen=True)
class Overlay:
    """One mask or map over the images.

    Attributes:
        url: address path from Volumes.publish.
        label: for the legend.
        kind: "mask" (inside is > 0.5), "labels3" (1 true positive, 2 false positive, 3 false negative), "differ3" (1 in
            both results, 2 only the one, 3 only the other), or "heat" (0..1, nothing at 0, its scale in the legend).
        color: "truth" is sky blue with a solid contour, "prediction" orange with a dashed one; where a truth and a
            prediction agree the fill is white. Only for "mask".
        names: for "differ3": the legend of what is only in the one and only in the other.
    """

    url: str
    label: str
    kind: Literal["mask", "labels3", "differ3", "heat"] = "mask"
    color: Literal["truth", "prediction"] = "truth"
    names: tuple[str, str] | None = None


@dataclass(frozen=True)
class Panel:
    """One image.

    Attributes:
        url: address path from Volumes.publish.
        label, session_label: for the head of the panel, e.g. "DWI", "follow-up MRI, day 2–9".
        modality: key of core.case.MODALITIES; a chosen window preset is remembered per modality.
        unit: of the displayed value, "" for none.
        presets: (name, low, high) in displayed units.
        colormap: a NiiVue colour map, e.g. "gray", "warm", "inferno"; unknown names give gray.
        window: (low, high) in displayed units to start with; None for percentiles of the voxels that are not 0.
        scale: displayed value = scale × the file's value. "adc": the factor to 10⁻⁶ mm²/s, found in the browser by
            the rule of core.imaging.windowing.adc_scale; the unit is left out where that finds none.
        overlays: over this panel alone.
    """

    url: str
    label: str
    session_label: str = ""
    modality: str = ""
    unit: str = ""
    presets: tuple[Preset, ...] = ()
    colormap: str = "gray"
    window: tuple[float, float] | None = None
    scale: float | Literal["adc"] = 1.0
    overlays: tuple[Overlay, ...] = ()


@dataclass(frozen=True)
class View:
    """What is on screen.

    Attributes:
        panels: one or two images, in step; the same image twice is fetched once.
        overlays: over all panels; on any grid.
        synthetic: puts the ribbon on the image.
        title: the case; while it stays the same the crosshair stays where it is.
        focus: (x, y, z) in RAS+ mm to move the crosshair to whenever it changes, or None: the largest lesion.
        outlines: start with outlines alone, so that of two masks neither hides the other.

    Raises:
        ViewerError: there are no panels, or more than two.
    """

    panels: tuple[Panel, ...]
    overlays: tuple[Overlay, ...] = ()
    synthetic: bool = False
    title: str = ""
    focus: tuple[float, float, float] | None = None
    outlines: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.panels) <= 2:
            raise ViewerError("a view shows one or two images", hint="choose one or two of them")


@dataclass(frozen=True)
class Command:
    """A key that is Python's business, given once.

    Attributes:
        kind: "modality" (with `index`, from 0), or "no-webgl2": show the static view, and remember that in the
            session, for it is said once.
    """

    kind: str
    index: int | None = None


@dataclass(frozen=True)
class ViewerState:
    """What came back in this run."""

    command: Command | None = None


def to_data(view: View) -> dict[str, Any]:
    """The view as the browser reads it: plain JSON."""
    return {
        "title": view.title,
        "synthetic": view.synthetic,
        "focus": None if view.focus is None else list(view.focus),
        "outlines": view.outlines,
        "panels": [
            {
                "url": p.url,
                "label": p.label,
                "session": p.session_label,
                "modality": p.modality or p.label,
                "unit": p.unit,
                "presets": [list(preset) for preset in p.presets],
                "colormap": p.colormap,
                "window": None if p.window is None else list(p.window),
                "scale": p.scale,
                "overlays": [_overlay(o) for o in p.overlays],
            }
            for p in view.panels
        ],
        "overlays": [_overlay(o) for o in view.overlays],
    }


def _overlay(o: Overlay) -> dict[str, Any]:
    names = {} if o.names is None else {"names": list(o.names)}
    return {"url": o.url, "label": o.label, "kind": o.kind, "color": o.color, **names}


def read_command(value: object) -> Command | None:
    """The command in what the browser sent; None for anything else."""
    if not isinstance(value, dict):
        return None
    raw = cast(dict[str, object], value)
    kind, index = raw.get("kind"), raw.get("index")
    if kind == "modality":
        return Command("modality", index) if isinstance(index, int) and 0 <= index < 9 else None
    return Command("no-webgl2") if kind == "no-webgl2" else None


def show(view: View, key: str, height: int = HEIGHT, *, volumes: Volumes) -> ViewerState:
    """Put the viewer on the page.

    Raises:
        ViewerNotBuilt: `make viewer` has not run.
    """
    bundle = volumes.bundle_url()
    if bundle is None:
        raise ViewerNotBuilt("the viewer is not built", hint="run make viewer, or use the static view")
    mount = st.components.v2.component("strokescope_viewer", js=_LOADER, html="<div></div>", isolate_styles=True)
    data = {"bundle": bundle, "height": height, "view": to_data(view)}
    result = mount(key=key, data=data, height=height + 8, on_command_change=lambda: None)
    return ViewerState(read_command(result.get("command")))
