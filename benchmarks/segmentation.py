"""Everything that is measured of segmentation, as Markdown: python -m benchmarks.segmentation [--quick] [--only PART]

Engines at three sizes with their memory against what was predicted, networks against their prediction one by one, the
sliding window against MONAI's, all metrics against MONAI, panoptica and surface-distance (of these two only where
PANOPTICA_PYTHON names a Python that has them), and the known failures. Ends with 1 if a limit was broken. About ten
minutes on two cores; --quick leaves out most of it. Keeps no files.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import known_failures, metrics, segmentation_engines, segmentation_memory, segmentation_network

Part = Callable[[Path, bool], bool]
PARTS: dict[str, tuple[str, str, Part]] = {
    "engines": (
        "Engines, whole worker processes",
        "every prediction of memory within 25 % of what was used",
        segmentation_engines.run,
    ),
    "memory": (
        "Networks: memory against its prediction",
        "every prediction within 25 % of what was used",
        segmentation_memory.run,
    ),
    "window": (
        "Sliding window against MONAI's",
        "ours takes at most as long, with the same mask (up to 1 voxel in 10,000, by the order of additions)",
        segmentation_network.run,
    ),
    "metrics": (
        "Metrics at 512 × 512 × 200",
        "all nine within 1.5 s, four times as fast as the fastest of the others, and the same numbers",
        lambda folder, quick: metrics.run((256, 256, 100) if quick else metrics.SHAPE, quick),
    ),
    "failures": (
        "Known failures of the diffusion engine",
        "held by tests/segmentation/test_known_failures.py",
        lambda folder, quick: known_failures.run(),
    ),
}


def main(argv: list[str]) -> int:
    """Print the tables; 1 if a limit was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=list(PARTS), nargs="+", default=list(PARTS))
    chosen = parser.parse_args(argv)
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}", flush=True)
    broken = []
    for name in chosen.only:
        title, limit, part = PARTS[name]
        print(f"\n### {title}\n", flush=True)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            held = part(Path(folder), chosen.quick)
        print(f"\nLimit: {limit}: {'held' if held else 'BROKEN'}. ({time.monotonic() - begun:.0f} s)", flush=True)
        broken += [] if held else [name]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
