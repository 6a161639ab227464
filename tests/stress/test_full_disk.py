"""A disk of 100 MB for cache and state: it fills while cases are browsed, uploaded and segmented; the app goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.stress.campaign import FACTOR
from tests.stress.test_small_disk import mounting as mounting
from tests.stress.test_small_disk import run_on

SAMPLE, CAMPAIGN = 1, max(1, round(60 * FACTOR))


@pytest.mark.parametrize(
    ("variant", "count"),
    [
        pytest.param("errno", SAMPLE, id="sample"),
        pytest.param("errno", CAMPAIGN, marks=pytest.mark.stress, id="errno"),
        pytest.param("limit", CAMPAIGN, marks=pytest.mark.stress, id="limit"),
    ],
)
def test_a_disk_of_100_mb(tmp_path: Path, mounting: tuple[str, ...], variant: str, count: int) -> None:
    sys.stderr.write(run_on(mounting, "full_disk", variant, count, tmp_path))
