"""Budget: may this step run now, and if not, what would help?

Pure: numbers in, a Decision or a sentence out; `require` raises it. Neither measures anything (probe.py), nor lets
anything wait (admission.py), nor kills anything (watchdog.py). RAM only counts what the kernel cannot give back; page
cache is not use. MB are 10^6 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import OverBudget

SAFETY = 1.25  # predictions were within a quarter of the measured peaks
CEILING = 0.80  # of the limit
RESERVE = 0.10  # of the limit, at most 1 GB: what the pages themselves may need meanwhile
DISK_CEILING = 0.85  # of the limit (facts, spaces); a download has no safety margin: its size is known

Resource = Literal["RAM", "disk"]


@dataclass(frozen=True)
class Decision:
    """Whether a step is admitted, and the sum behind it (MB, 1e6 bytes)."""

    admitted: bool
    needed_mb: float
    free_mb: float
    limit_mb: float
    resource: Resource = "RAM"


@dataclass(frozen=True)
class Help:
    """Something a person can do, and what it would free. `words` begins with a verb: "close the open cases"."""

    words: str
    resource: Resource
    mb: float


def decide(predicted_mb: float, used_mb: float, limit_mb: float) -> Decision:
    """Admit a step whose predicted peak, with its safety margin, leaves the reserve free below the ceiling.

    The margin is part of what is needed, the reserve is no part of what is free.
    """
    needed, may = SAFETY * predicted_mb, CEILING * limit_mb - reserve_mb(limit_mb) - used_mb
    return Decision(needed <= may, needed, max(0.0, may), limit_mb)


def decide_disk(wanted_mb: float, free_mb: float, limit_mb: float, scale_mb: float | None = None) -> Decision:
    """Admit a step whose files leave 15 % of the disk's limit untouched; one that writes nothing always.

    Args:
        free_mb: what may still be written before the limit.
        scale_mb: what the 15 % are of, by default the limit (DiskReading.scale_bytes).
    """
    room = max(0.0, free_mb - (1.0 - DISK_CEILING) * (limit_mb if scale_mb is None else scale_mb))
    return Decision(wanted_mb <= 0 or wanted_mb <= room, wanted_mb, room, limit_mb, "disk")


def reserve_mb(limit_mb: float) -> float:
    """What stays free for the pages."""
    return min(1000.0, RESERVE * limit_mb)


def refusal(what: str, decision: Decision, helps: Sequence[Help] = ()) -> OverBudget:
    """The error that says what is missing and what would help."""
    message = (
        f"{what} needs {size(decision.needed_mb)} of {decision.resource}, {size(decision.free_mb)} is free of "
        f"{size(decision.limit_mb)}"
    )
    return OverBudget(message, hint=advice(decision, helps))


def advice(decision: Decision, helps: Iterable[Help]) -> str:
    """What would help, the largest first; only as much as is needed, and honest when it is not enough."""
    missing = max(0.0, decision.needed_mb - decision.free_mb)
    useful = sorted((h for h in helps if h.resource == decision.resource and h.mb > 0), key=lambda h: -h.mb)
    chosen: list[Help] = []
    for one in useful:
        if sum(h.mb for h in chosen) < missing:
            chosen.append(one)
    larger = "use a larger machine" if decision.resource == "RAM" else "use a machine with a larger disk"
    smaller = f"choose a smaller image, or {larger}" if decision.resource == "RAM" else larger
    if not chosen:
        wait = "wait until other work is done, " if decision.resource == "RAM" else "remove files, or "
        return wait + smaller
    words = ", ".join(f"{h.words} ({size(h.mb)})" for h in chosen)
    return words if sum(h.mb for h in chosen) >= missing else f"{words}; that is not enough here: {smaller}"


def require(what: str, decision: Decision, helps: Sequence[Help] = ()) -> None:
    """Do nothing if the step is admitted.

    Raises:
        OverBudget: the step does not fit now; carries the numbers and what would help.
    """
    if not decision.admitted:
        raise refusal(what, decision, helps)


def size(mb: float) -> str:
    """ "1.2 GB", "0.34 GB", "52 MB" or "0.4 MB"."""
    if mb >= 100:
        return f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{mb / 1000:.2f} GB"
    return f"{mb:.0f} MB" if mb >= 10 or mb == 0 else f"{mb:.1f} MB"
