"""Adapter: runs DeepISLES inside its own conda environment: `python deepisles_adapter.py job.json`.

Written for Python 3.8 and the standard library; imports nothing of Strokescope, since it runs in a foreign environment.
Checks that DeepISLES and its weights are there, calls it once, and ends with one of the codes below. Looks for no
result: whoever started it knows where the mask must lie.

The job: {"app", "dwi", "adc", "flair" or null, "output", "fast", "skull_strip", "save_team_outputs", "parallelize"}.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

NO_DEEPISLES = 40  # the folder holds no DeepISLES
NO_WEIGHTS = 41  # DeepISLES is there, its weights are not
ON_PATH = ("src/SEALS", "src/FACTORIZER/model/factorizer", "src/HD-BET")  # what its own programs import from


def main(argv: list[str]) -> int:
    """Run the job; 0 when DeepISLES returned."""
    job = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    app = Path(job["app"])
    if not (app / "src" / "isles22_ensemble.py").is_file():
        return NO_DEEPISLES
    weights = app / "weights"
    if not weights.is_dir() or not any(weights.iterdir()):
        return NO_WEIGHTS
    os.chdir(str(app))
    here = Path(__file__).resolve().parent
    sys.path[:] = [str(app)] + [folder for folder in sys.path if Path(folder).resolve() != here]
    os.environ["PYTHONPATH"] = os.pathsep.join(str(app / part) for part in ON_PATH if (app / part).is_dir())
    Path(job["output"]).mkdir(parents=True, exist_ok=True)
    ensemble = importlib.import_module("src.isles22_ensemble").IslesEnsemble()
    ensemble.predict_ensemble(
        ensemble_path=str(app),
        input_dwi_path=job["dwi"],
        input_adc_path=job["adc"],
        input_flair_path=job["flair"],
        output_path=job["output"],
        fast=job["fast"],
        skull_strip=job["skull_strip"],
        save_team_outputs=job["save_team_outputs"],
        results_mni=False,
        parallelize=job["parallelize"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
