"""The class that DeepISLES gives to callers in its own environment, over the fake; copied to APP/src by a test."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path


class IslesEnsemble:
    """Takes its arguments as the real one does."""

    def predict_ensemble(
        self,
        ensemble_path: str,
        input_dwi_path: str,
        input_adc_path: str,
        output_path: str,
        input_flair_path: str | None = None,
        skull_strip: bool = False,
        fast: bool = False,
        save_team_outputs: bool = False,
        parallelize: bool = True,
        results_mni: bool = False,
    ) -> None:
        """Segment, or fail as FAKE_SAYS says."""
        assert Path.cwd() == Path(ensemble_path).resolve() and not results_mni
        assert not any(name == "core" or name.startswith("core.") for name in sys.modules)
        sys.path.append(os.environ["FAKE_FOLDER"])
        flair = None if input_flair_path is None else Path(input_flair_path)
        places = Path(input_dwi_path), Path(input_adc_path), flair, Path(output_path)
        importlib.import_module("isles").predict(*places, fast, skull_strip, save_team_outputs, parallelize)
