"""Voxels are counted right whatever the type on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadVolume
from core.evaluation.foreground import foreground
from core.imaging.nifti import read_header, write_volume
from core.imaging.volume import Volume


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.7])
def test_count(tmp_path: Path, dtype: str, share: float) -> None:
    inside = np.random.default_rng(1).random((90, 60, 50)) < share
    path = tmp_path / "mask.nii.gz"
    write_volume(Volume(inside.astype(np.float32), np.eye(4)), path, dtype)
    assert foreground(path, read_header(path)) == int(inside.sum())


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mask.nii.gz"
    write_volume(Volume(np.ones((30, 20, 10), np.float32), np.eye(4)), path, "uint8")
    header = read_header(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadVolume):
        foreground(path, header)
