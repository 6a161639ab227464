"""`datasets.load_dataset` gives back what was published: bytes, affines, lists, nulls, types.

Runs where `datasets` is installed: in this Python (`make benchmark` installs it), or in the one that
STROKESCOPE_DATASETS_PYTHON names.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from core.publish.schema import features
from tests.publish.staged import MAKERS, built, plan_of

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("STROKESCOPE_DATASETS_PYTHON", sys.executable)


@pytest.fixture(scope="module", autouse=True)
def present() -> None:
    if subprocess.run([PYTHON, "-c", "import datasets, nibabel"], capture_output=True).returncode:
        pytest.skip("datasets is not installed")


def image(path: Path) -> dict[str, Any]:
    """The source's image as `loading` tells one."""
    data = path.read_bytes()
    made: Any = nib.Nifti1Image.from_bytes(gzip.decompress(data))
    voxels = np.asarray(made.dataobj).astype("<i4").tobytes()
    return {
        "name": path.name,
        "bytes": hashlib.sha256(data).hexdigest(),
        "affine": made.affine.tolist(),
        "voxels": hashlib.sha256(voxels).hexdigest(),
    }


@pytest.mark.parametrize("schema", sorted(MAKERS))
def test_load_dataset_gives_back_the_source(tmp_path: Path, schema: str) -> None:
    plan = plan_of(tmp_path, schema)
    built(plan, tmp_path / "staging")
    shutil.copytree(tmp_path / "staging" / "data", tmp_path / "repository" / "data")
    done = subprocess.run(
        [PYTHON, str(ROOT / "tests" / "publish" / "loading.py"), str(tmp_path / "repository")],
        capture_output=True,
        text=True,
        env={"PATH": "", "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    info = features(plan.schema)["info"]
    assert isinstance(info, dict) and found["features"] == info["features"]
    rows = [row for shard in plan.shards for row in shard.rows]
    kinds = {column.name: column.kind for column in plan.schema.columns}
    for row, got in zip(rows, found["rows"], strict=True):
        assert list(got) == list(kinds)
        for name, files in row.files.items():
            wanted = [image(plan.root / file.path) for file in files]
            null = ["NoneType", None]
            assert got[name] == ((wanted if kinds[name] == "images" else wanted[0]) if wanted else null)
        for name, value in row.values.items():
            kind = {"string": "str", "float": "float", "int": "int"}[kinds[name]]
            assert got[name] == (["NoneType", None] if value is None else [kind, value])
