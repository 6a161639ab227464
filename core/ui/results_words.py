"""What the list of kept results says, and what may be done with the ticked ones. Pure: draws and removes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from core.segmentation.consensus import MOST as MOST_MEMBERS
from core.segmentation.kept_record import KeptResult
from core.ui.state import BY_TRUTH, Place

GONE = "The result that the address names is not kept on this machine any more. Run it again, or choose another one."
NONE = "The address names no result that could be one. Choose one from the list, or run the engine."
ELSEWHERE = "The result that the address names belongs to another case. It is not shown here."
Against = KeptResult | Literal["truth"]


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


def rows(results: Sequence[KeptResult], shown: str | None) -> list[dict[str, Any]]:
    """One row per result, newest first. `shown`: key of the one on screen."""
    return [
        {
            "": "●" if kept.key == shown else "",
            "engine": kept.title,
            "different from the defaults": kept.changes or "–",
            "ml": kept.result.volume_ml,
            "core ml": kept.result.core_volume_ml,
            "lesions": kept.result.lesion_count,
            "made": datetime.fromtimestamp(kept.made, UTC),
            "MB": kept.bytes / 1e6,
        }
        for kept in results
    ]


@dataclass(frozen=True)
class Offer:
    """What may be done with the ticked results. `why_not`: why they cannot be joined, "" where nobody asks."""

    show: bool
    truth: bool
    compare: bool
    join: bool
    delete: bool
    why_not: str = ""


def offer(ticked: Sequence[KeptResult], has_truth: bool) -> Offer:
    """Decide what to offer."""
    count = len(ticked)
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
