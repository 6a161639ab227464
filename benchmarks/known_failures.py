"""What the diffusion engine makes of the cases it is known to fail at: python -m benchmarks.known_failures

One line per generated head (tests/segmentation/known_failures.py): Dice, ml of truth found, invented and missed, and
the warnings' first words. Compare two versions by their tables; it keeps no files.
"""

from __future__ import annotations

import sys

from tests.segmentation.known_failures import cases, outcome


def main() -> int:
    """Print the table."""
    print("| family | case | Dice | found ml | false ml | missed ml | warnings |")
    print("|---|---|---|---|---|---|---|")
    for name, make in cases().items():
        case = make()
        got = outcome(case)
        numbers = f"{got.dice:.3f} | {got.found_ml:.2f} | {got.false_ml:.2f} | {got.missed_ml:.2f}"
        words = "; ".join(" ".join(sentence.split()[:7]) + " …" for sentence in got.warnings) or "none"
        print(f"| {case.family} | {name} | {numbers} | {words} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
