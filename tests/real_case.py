"""The real case that lies beside the checkout, for tests that need real images."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "isles22-0001"


def real_case() -> tuple[Path, Path]:
    """Paths of DWI and ADC; skips the test where the data is not here."""
    dwi, adc = (FOLDER / f"sub-strokecase0001_ses-0001_{name}.nii.gz" for name in ("dwi", "adc"))
    if not (dwi.is_file() and adc.is_file()):
        pytest.skip("the real case is not here (../shared/data/isles22-0001)")
    return dwi, adc
