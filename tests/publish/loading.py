"""python -m tests.publish.loading FOLDER: what `datasets.load_dataset` makes of the shards in FOLDER/data, as JSON.

Needs `datasets` and nibabel and nothing of ours. Each image is given as its name, the sha256 of its bytes, its affine
and the sha256 of its voxels; other values as they are, with their Python type.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import datasets
import numpy as np


def summed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def told(raw: Any, decoded: Any) -> Any:
    """A cell, from its undecoded and its decoded form."""
    if isinstance(raw, list):
        return [told(*pair) for pair in zip(raw, decoded, strict=True)]
    if isinstance(raw, dict):
        voxels = np.asarray(decoded.dataobj)
        affine = decoded.affine.tolist()
        return {
            "name": raw["path"],
            "bytes": summed(raw["bytes"]),
            "affine": affine,
            "voxels": summed(voxels.astype("<i4").tobytes()),
        }
    return [type(raw).__name__, raw]


def main(folder: str) -> None:
    whole = datasets.load_dataset(folder, split="train", cache_dir=f"{folder}/cache")
    nifti = datasets.Nifti(decode=False)
    plain = whole
    for name, feature in whole.features.items():
        if isinstance(feature, datasets.Nifti):
            plain = plain.cast_column(name, nifti)
        elif isinstance(feature, datasets.List):
            plain = plain.cast_column(name, datasets.List(nifti))
    rows = [{name: told(raw[name], seen[name]) for name in raw} for raw, seen in zip(plain, whole, strict=True)]
    sys.stdout.write(json.dumps({"features": whole.features.to_dict(), "rows": rows}))


if __name__ == "__main__":
    main(sys.argv[1])
