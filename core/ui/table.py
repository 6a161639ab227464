"""The table of cases: rows from a listing, and filters over them. Pure; draws nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from core.case import MODALITIES, CaseRef
from core.workflows.explore_case import choose, cost_bytes

Range = tuple[float, float]


@dataclass(frozen=True)
class Filters:
    """What a person wants to see. None is no wish; a case whose value is unknown passes only without a wish."""

    text: str = ""
    age: Range | None = None
    nihss: Range | None = None
    mrs: Range | None = None
    has: tuple[str, ...] = ()
    cached_only: bool = False


def keep(case: CaseRef, wish: Filters, cached: frozenset[str]) -> bool:
    """Whether a case passes."""
    words = wish.text.lower().split()
    hay = f"{case.case_id} {case.note}".lower()
    if any(w not in hay for w in words):
        return False
    c = case.clinical
    for value, limits in ((c.age, wish.age), (c.nihss_admission, wish.nihss), (c.mrs_3month, wish.mrs)):
        if limits is not None and (value is None or not limits[0] <= value <= limits[1]):
            return False
    if wish.has and (case.modalities is None or not set(wish.has) <= set(case.modalities)):
        return False
    return bool(cached) or not wish.cached_only


def frame(cases: Sequence[CaseRef], cached: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """One row per case. Unknown numbers are missing values, so that they sort last; MB is what a click will fetch."""
    rows = []
    for case in cases:
        here = cached.get(case.case_id, frozenset())
        cost = cost_bytes(case, choose(case, ()).names, here)
        c = case.clinical
        rows.append(
            {
                "case": case.case_id,
                "age": c.age,
                "sex": c.sex,
                "NIHSS": c.nihss_admission,
                "mRS": c.mrs_admission,
                "mRS 3 mo": c.mrs_3month,
                "images": _images(case),
                "MB": None if cost is None else cost / 1e6,
                "here": here_mark(case, here),
                "note": case.note,
            }
        )
    table = pd.DataFrame(
        rows, columns=["case", "age", "sex", "NIHSS", "mRS", "mRS 3 mo", "images", "MB", "here", "note"]
    )
    for column in ("age", "NIHSS", "mRS", "mRS 3 mo", "MB"):
        table[column] = pd.to_numeric(table[column])
    return table


def here_mark(case: CaseRef, cached: frozenset[str]) -> str:
    """ "●" all that opening the case shows is on this machine, "◐" some images are, "○" none."""
    names = choose(case, ()).names
    return "●" if cached and set(names) <= cached else "◐" if cached else "○"


def _images(case: CaseRef) -> str:
    if case.modalities is None:
        return "not read yet"
    return " ".join(MODALITIES[n].label for n in case.modalities if n in MODALITIES and not MODALITIES[n].is_mask)


def span(values: Sequence[float | None]) -> Range | None:
    """Smallest and largest known value; None when there are not two different ones."""
    known = [v for v in values if v is not None]
    return (min(known), max(known)) if known and min(known) < max(known) else None
