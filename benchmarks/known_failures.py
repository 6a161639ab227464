"""What the diffusion engine makes of the cases it is known to fail at: python -m benchmarks.known_failures

One line per generated head (tests/segmentation/known_failures.py): Dice, ml of truth found, invented and missed, and
the warnings' first words; then the real case, if it is here, without a truth. Compare two versions by their tables; it
keeps no files.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.segmentation_cases import real, table
from core.imaging import nifti
from core.segmentation.engine import load_engine
from core.segmentation.engines.diffusion_pipeline import run as analyse
from tests.segmentation.known_failures import cases, outcome

HEAD = ("family", "case", "Dice", "found ml", "false ml", "missed ml", "warnings")


def run() -> bool:
    """Print the table; it holds no limits (tests/segmentation/test_known_failures.py does)."""
    rows: list[tuple[str, ...]] = []
    for name, make in cases().items():
        case = make()
        got = outcome(case)
        numbers = (f"{got.dice:.3f}", f"{got.found_ml:.2f}", f"{got.false_ml:.2f}", f"{got.missed_ml:.2f}")
        rows.append((case.family, name, *numbers, words(got.warnings)))
    known = real()
    if known is not None:
        rows.append(("real", known.title, *on_real(known.inputs)))
    table(HEAD, rows)
    return True


def on_real(inputs: dict[str, Path]) -> tuple[str, ...]:
    """The numbers of the real case, which has no truth here."""
    info = load_engine("diffusion").info
    settled = {name: float(value) for name, value in info.settle({}).items()}
    volumes = {name: nifti.read_volume(path) for name, path in inputs.items()}
    found = analyse(volumes, settled, lambda _phase, _done: None)
    return ("no truth", f"{found.mask.volume_ml:.2f}", "–", "–", words(found.warnings))


def words(warnings: tuple[str, ...]) -> str:
    """How each begins."""
    return "; ".join(" ".join(sentence.split()[:7]) + " …" for sentence in warnings) or "none"


def main() -> int:
    """Print the table."""
    return 0 if run() else 1


if __name__ == "__main__":
    sys.exit(main())
