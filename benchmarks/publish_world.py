"""What the publishing benchmark publishes: source trees of NIfTI noise in the layouts of ARC and ISLES'24.

One image of each size is made and copied; noise does not shrink, so packing costs nothing that real images would not.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.publish.schema import features, schema_named
from core.publish.tree import Tree, scan
from tests.publish import trees

ARC = {"anat/{}_T1w": 4.0, "anat/{}_T2w": 3.0, "func/{}_task-n_run-1_bold": 6.0, "func/{}_task-n_run-2_bold": 6.0}
ARC |= {"dwi/{}_dwi": 5.0}
ISLES = {"raw_data/{0}/ses-01/{0}_ses-01_ncct": 18.0, "raw_data/{0}/ses-01/{0}_ses-01_cta": 45.0}
ISLES |= {"raw_data/{0}/ses-01/{0}_ses-01_ctp": 200.0, "derivatives/{0}/ses-02/{0}_ses-02_space-ncct_dwi": 3.6}
ISLES |= {"derivatives/{0}/ses-02/{0}_ses-02_space-ncct_adc": 3.9}


@dataclass(frozen=True)
class Source:
    """One tree.

    Attributes:
        title: for the table.
        folder: the tree. rows: a JSON file of the same rows, for whoever does not read trees.
    """

    title: str
    schema: str
    folder: Path
    rows: Path
    bytes: int
    images: int
    shards: int


def arc(folder: Path, sessions: int) -> Source:
    """Sessions of five images each, two of them runs."""
    names = [f"sub-M{2000 + at}" for at in range(sessions)]
    lines = ["participant_id\tsex\tage_at_stroke\twab_aq\twab_type", *(f"{n}\tF\t61\t71.5\tAnomic" for n in names)]
    trees.put(folder, "participants.tsv", "\n".join(lines) + "\n")
    trees.describe(folder, "CC0")
    return _made(
        folder, "arc", {f"{n}/ses-1/{path.format(f'{n}_ses-1')}": mb for n in names for path, mb in ARC.items()}
    )


def isles24(folder: Path, subjects: int) -> Source:
    """Subjects of five images each, one of them a large 4D one."""
    names = [f"sub-stroke{at:04d}" for at in range(1, subjects + 1)]
    return _made(folder, "isles24", {path.format(name): mb for name in names for path, mb in ISLES.items()})


def _made(folder: Path, schema: str, images: Mapping[str, float]) -> Source:
    templates: dict[float, Path] = {}
    for path, mb in images.items():
        place = folder / f"{path}.nii.gz"
        place.parent.mkdir(parents=True, exist_ok=True)
        if mb in templates:
            shutil.copyfile(templates[mb], place)
        else:
            place.write_bytes(gzip.compress(_noise(mb), 1, mtime=0))
            templates[mb] = place
    tree = scan(folder, schema_named(schema))
    rows = folder.with_name(f"{folder.name}.json")
    rows.write_text(json.dumps(_told(tree)))
    title = f"{schema}, {len(tree.rows)} × {tree.bytes / len(tree.rows) / 1e6:.0f} MB"
    return Source(title, schema, folder, rows, tree.bytes, len(tree.images), len(tree.rows))


def _noise(mb: float) -> bytes:
    """An image of so many MB that gzip cannot make smaller."""
    side = round((mb * 1e6) ** (1 / 3))
    voxels = np.random.default_rng(7).integers(0, 256, (side, side, side), dtype="uint8")
    return trees.image(7, voxels.shape, dtype="uint8", voxels=voxels)


def _told(tree: Tree) -> dict[str, object]:
    """Columns with their values, images as paths; and the features that `datasets` makes of them."""
    columns: dict[str, list[object]] = {column.name: [] for column in tree.schema.columns}
    for row in tree.rows:
        for column in tree.schema.columns:
            files = [str(tree.root / file.path) for file in row.files.get(column.name, ())]
            if column.kind == "images":
                columns[column.name].append(files or None)
            elif column.kind == "image":
                columns[column.name].append(files[0] if files else None)
            else:
                columns[column.name].append(row.values[column.name])
    return {"features": features(tree.schema), "columns": columns}
