"""Admission: may this step run now?

`decide` is pure: numbers in, a Decision out. `require` acts on it. Neither measures anything (probe.py) nor kills
anything. RAM only counts what the kernel cannot give back; page cache is not use.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import OverBudget

SAFETY = 1.25  # predictions were within a quarter of the measured peaks
CEILING = 0.80  # of the limit
RESERVE = 0.10  # of the limit, at most 1 GB: what the pages themselves may need meanwhile


@dataclass(frozen=True)
class Decision:
    """Whether a step is admitted, and the sum behind it (MB, 1e6 bytes)."""

    admitted: bool
    needed_mb: float
    free_mb: float
    limit_mb: float


def decide(predicted_mb: float, used_mb: float, limit_mb: float) -> Decision:
    """Admit a step whose predicted peak, with its safety margin and the reserve, stays under the ceiling."""
    needed = SAFETY * predicted_mb + min(1000.0, RESERVE * limit_mb)
    free = max(0.0, CEILING * limit_mb - used_mb)
    return Decision(needed <= free, needed, free, limit_mb)


def require(what: str, decision: Decision) -> None:
    """Do nothing if the step is admitted.

    Raises:
        OverBudget: the step does not fit now; carries the numbers and what would help.
    """
    if not decision.admitted:
        raise OverBudget(
            f"{what} needs {decision.needed_mb / 1000:.1f} GB of RAM, {decision.free_mb / 1000:.1f} GB is free of "
            f"{decision.limit_mb / 1000:.1f} GB",
            hint="choose a smaller image, wait until other work is done, or use a larger machine",
        )
