"""Check: `python -m core.segmentation.engines.network_check FOLDER` tries a model on one window of noise.

Opens the weights, runs the network once and prints one JSON line: what it answered with, seconds and peak memory, or
why it cannot be used. A process of its own, so that a hostile model takes nobody with it (core.segmentation.models).
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import StrokescopeError
from core.resources.child import expendable, peak_rss_mb
from core.segmentation.engines.network import Network, open_engine
from core.segmentation.engines.network_windows import Triple, window_of

WHOLE_AXIS = 64  # voxels to try where the patch says "the whole axis"


def main(argv: list[str]) -> int:
    """Try the model in the folder named on the command line; 0 when it works."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not ours
    expendable()
    try:
        said: dict[str, Any] = {"trial": trial(open_engine(Path(argv[0])))}
    except StrokescopeError as error:
        said = {"problem": {"message": str(error), "hint": error.hint}}
    except MemoryError:
        said = {"problem": {"message": "there was not enough memory for one window", "hint": "make the patch smaller"}}
    except Exception as error:  # noqa: BLE001  # the process's outermost edge
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
        told = f"the network failed on one window ({type(error).__name__})"
        said = {"problem": {"message": told, "hint": "check the config's network, channels and patch"}}
    stream.write(json.dumps(said) + "\n")
    stream.close()
    return 0 if "trial" in said else 3


def trial(engine: Network) -> dict[str, Any]:
    """One window of noise through the network."""
    from core.segmentation.engines.network_grid import lesion_probability
    from core.segmentation.engines.network_predict import cores, open_predictor
    from core.segmentation.engines.network_run import ladder
    from core.segmentation.engines.network_windows import slide

    config = engine.config
    window: Triple = window_of(config.patch, (WHOLE_AXIS,) * 3, config.stride, config.spread)
    rung = ladder(False, window, config.stride, False)[0]
    begun = time.monotonic()
    predictor = open_predictor(config, engine.folder, rung.device, window, "float32", cores())
    opened = time.monotonic()
    noise = np.random.default_rng(0).standard_normal((len(config.channels), *window), np.float32)
    answer = slide(noise, window, 0, 1, predictor, lambda done, of: None)
    seconds = time.monotonic() - opened
    probability = lesion_probability(answer, config)
    return {
        "window": list(window),
        "open_seconds": round(opened - begun, 3),
        "window_seconds": round(seconds, 3),
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "lowest": round(float(probability.min()), 4),
        "highest": round(float(probability.max()), 4),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
