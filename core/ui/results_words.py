"""What the list of kept results says, and what may be done with the ticked ones. Pure: draws and removes nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal

from core.segmentation.consensus import MOST as MOST_MEMBERS
from core.segmentation.kept_record import KeptResult
from core.ui.state import BY_TRUTH, Place

GONE = "The result that the address names is not kept on this machine any more. Run it again, or choose another one."
NONE = "The address names no result that could be one. Choose one from the list, or run the engine."
OTHER = "made from other images"
OTHERS = "The result that the address names was made from other images than the case has now. It is not shown here."
ELSEWHERE = "The result that the address names belongs to another case. It is not shown here."
Against = KeptResult | Literal["truth"]
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|<>~:$])")


@dataclass(frozen=True)
class Picked:
    """What the address means on this case: the result, what it is compared with, and what is wrong, in words."""

    result: KeptResult | None = None
    against: Against | None = None
    trouble: str = ""


def picked(place: Place, found: dict[str, KeptResult | None], source: str, case_id: str) -> Picked:
    """Settle what an address names. `found`: key -> the kept result of that name, wherever it belongs."""
    if place.result is None:
        return Picked()
    result, trouble = _one(place.result, found, source, case_id)
    if result is None:
        return Picked(trouble=trouble)
    if place.against is None or place.against == BY_TRUTH:
        return Picked(result, "truth" if place.against else None)
    other, trouble = _one(place.against, found, source, case_id)
    if other is not None and other.key == result.key:
        return Picked(result, trouble="The address compares a result with itself. Choose another one.")
    return Picked(result, other, trouble)


def _one(key: str, found: dict[str, KeptResult | None], source: str, case_id: str) -> tuple[KeptResult | None, str]:
    kept = found.get(key)
    if not key:
        return None, NONE
    if kept is None:
        return None, GONE
    return (kept, "") if kept.belongs_to(source, case_id) else (None, ELSEWHERE)


def label(kept: KeptResult, shown: bool = False, other: bool = False) -> str:
    """What a result is called in the list, as Markdown: engine, version, what was set, and whether it is on screen.

    Args:
        other: it was made from other images than the case has now.
    """
    name = _MARKS.sub(r"\\\1", f"{kept.title} · {kept.changes or 'defaults'}")
    if other:
        return f"{name} · **{OTHER}**"
    return f"{name} · **on screen**" if shown else name


def without_others(found: Picked, digests: Mapping[str, str]) -> Picked:
    """What may be shown over these images (name -> sha256); the rest is told."""
    if found.result is not None and not found.result.is_of(digests):
        return Picked(trouble=OTHERS)
    if isinstance(found.against, KeptResult) and not found.against.is_of(digests):
        return Picked(found.result, trouble=OTHERS)
    return found


def figures_html(kept: KeptResult, core: bool, zone: tzinfo | None = None) -> str:
    """A result's figures in columns of fixed width, each with its definition.

    Args:
        core: with a column for the core; of use where one of the list has it.
        zone: of the visitor's clock; None for UTC.
    """
    result, made = kept.result, datetime.fromtimestamp(kept.made, UTC)
    here, plural = made.astimezone(zone or UTC), "" if result.lesion_count == 1 else "s"
    of_core = "" if result.core_volume_ml is None else f"core {result.core_volume_ml:.2f} ml"
    why_core = "Voxels of the mask with ADC below the core threshold; nothing where the engine cannot tell"
    cells = (
        (5.0, f"{result.volume_ml:.2f} ml", "Segmented volume: voxels of the mask times the volume of one voxel"),
        *([(6.6, of_core, why_core)] if core else []),
        (4.4, f"{result.lesion_count} lesion{plural}", "26-connected parts of the mask"),
        (5.6, f"{here.day} {here:%b %H:%M}", f"Made {made:%Y-%m-%d %H:%M} UTC"),
        (4.4, f"{kept.bytes / 1e6:.2f} MB", "Of all its files, 10⁶ bytes"),
    )
    spans = (
        f'<span style="width:{width}rem" title="{html.escape(why)}">{html.escape(text)}</span>'
        for width, text, why in cells
    )
    return f'<div class="scope-kept">{"".join(spans)}</div>'


@dataclass(frozen=True)
class Offer:
    """What may be done with the ticked results. `why_not`: why they cannot be joined, "" where nobody asks."""

    show: bool
    truth: bool
    compare: bool
    join: bool
    delete: bool
    why_not: str = ""


def offer(ticked: Sequence[KeptResult], has_truth: bool, digests: Mapping[str, str] | None = None) -> Offer:
    """Decide what to offer.

    Args:
        digests: of the case's images as they are now, name -> sha256; None where nobody knows them yet.
    """
    count = len(ticked)
    if any(not kept.is_of(digests or {}) for kept in ticked):
        return Offer(False, False, False, False, True, f"What was {OTHER} can only be deleted.")
    bare = [kept for kept in ticked if kept.result.engine == "consensus"]
    joinable = 2 <= count <= MOST_MEMBERS and not bare
    why_not = ""
    if count > MOST_MEMBERS:
        why_not = f"{MOST_MEMBERS} results at most can be joined; {count} are ticked."
    elif bare and count > 1:
        why_not = "A consensus is not joined again; tick the results of engines."
    return Offer(count == 1, count == 1 and has_truth, count == 2, joinable, count >= 1, why_not)


def rules_for(ticked: Sequence[KeptResult]) -> tuple[str, ...]:
    """Rules that join these: the mean needs a probability map of each, and masks that begin at 0.5 of it."""
    mean = all(kept.result.probability is not None and kept.result.threshold == 0.5 for kept in ticked)
    return ("majority", "mean") if mean else ("majority",)


def telling_apart(first: KeptResult, second: KeptResult) -> tuple[str, str]:
    """Names of two results that differ: by engine, or by what was set, or by A and B."""
    if first.title != second.title:
        return first.title, second.title
    one, two = (f"{kept.title} · {kept.changes}" if kept.changes else kept.title for kept in (first, second))
    return (one, two) if one != two else (f"{one} (A)", f"{two} (B)")
