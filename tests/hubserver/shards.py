"""Shards: Parquet files in the shape of ISLES'24, made quickly and deterministically, and variants of them.

The writer's options are those of `datasets` 5.2: one row group, `*.bytes` uncompressed PLAIN, statistics, page index,
`huggingface` metadata. Images are small NIfTI files of noise; nothing here is a patient.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.hub.catalog import bundled_manifest

IMAGES = [
    "ncct",
    "cta",
    "ctp",
    "tmax",
    "mtt",
    "cbf",
    "cbv",
    "dwi",
    "adc",
    "lesion_mask",
    "lvo_mask",
    "cow_segmentation",
]
NUMBERS = ("age", "nihss_admission", "mrs_admission", "mrs_3month")
COMMIT = "5" * 40
REPO = "tester/strokes"


def nifti(seed: int, shape: tuple[int, ...] = (16, 16, 20), packed: bool = True) -> bytes:
    """A NIfTI-1 file of uint8 noise, 2 mm, RAS; gzipped or plain."""
    header = np.zeros(348, dtype=np.uint8)
    header[:4] = np.frombuffer(np.int32(348).tobytes(), np.uint8)
    dims = np.ones(8, dtype=np.int16)
    dims[0], dims[1 : len(shape) + 1] = len(shape), shape
    header[40:56] = np.frombuffer(dims.tobytes(), np.uint8)
    header[70:74] = np.frombuffer(np.array([2, 8], np.int16).tobytes(), np.uint8)
    header[76:108] = np.frombuffer(np.array([1, 2, 2, 2, 0, 0, 0, 0], np.float32).tobytes(), np.uint8)
    header[108:112] = np.frombuffer(np.float32(352).tobytes(), np.uint8)
    header[112:116] = np.frombuffer(np.float32(1).tobytes(), np.uint8)
    header[123] = 2  # mm
    header[252:256] = np.frombuffer(np.array([0, 1], np.int16).tobytes(), np.uint8)
    rows = np.array([[2, 0, 0, -16], [0, 2, 0, -16], [0, 0, 2, -20]], np.float32)
    header[280:328] = np.frombuffer(rows.tobytes(), np.uint8)
    header[344:348] = np.frombuffer(b"n+1\0", np.uint8)
    voxels = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)), dtype=np.uint8)
    data = header.tobytes() + b"\0" * 4 + voxels.tobytes()
    return gzip.compress(data, 1, mtime=0) if packed else data


@dataclass(frozen=True)
class Case:
    """One row: its id, images by column (missing ones are null) and scalars (missing ones are null)."""

    subject_id: str
    images: Mapping[str, bytes]
    scalars: Mapping[str, float | str] = field(default_factory=dict)


def case(number: int, subject_id: str | None = None, without: Sequence[str] = ()) -> Case:
    """A case of noise; the number decides its voxels and scalars."""
    images = {name: nifti(1000 * number + i) for i, name in enumerate(IMAGES) if name not in without}
    scalars = {"age": 40.0 + number % 50, "nihss_admission": float(number % 20), "mrs_admission": 0.0}
    return Case(
        subject_id or f"sub-stroke{number:04d}",
        images,
        {**scalars, "mrs_3month": float(number % 7), "sex": "FM"[number % 2]},
    )


@dataclass(frozen=True)
class Options:
    """How the file is written; the defaults are those of `datasets` 5.2."""

    compression: str = "NONE"
    dictionary: bool = False
    statistics: bool = True
    rows_per_group: int | None = None
    page_version: str = "1.0"
    page_index: bool = True
    page_sums: bool = False


def shard(cases: Sequence[Case], options: Options | None = None, columns: Sequence[str] = IMAGES) -> bytes:
    """A Parquet file with one row per case."""
    options = options or Options()
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [("subject_id", pa.string()), *((name, image) for name in columns)]
    fields += [("age", pa.float64()), ("sex", pa.string()), *((name, pa.float64()) for name in NUMBERS[1:])]
    features = {name: {"_type": "Nifti"} for name in columns}
    schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})
    rows = [{"subject_id": c.subject_id, **{n: _cell(c, n) for n in columns}, **c.scalars} for c in cases]
    table = pa.Table.from_pylist(rows, schema=schema)
    leaves = [path for n in schema.names for path in ([f"{n}.bytes", f"{n}.path"] if n in columns else [n])]
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        row_group_size=options.rows_per_group,
        compression={p: options.compression if p.endswith(".bytes") else "SNAPPY" for p in leaves},
        use_dictionary=[p for p in leaves if options.dictionary or not p.endswith(".bytes")],
        write_statistics=options.statistics,
        write_page_index=options.page_index and options.statistics,
        data_page_version=options.page_version,
        write_page_checksum=options.page_sums,
    )
    return sink.getvalue()


def _cell(c: Case, name: str) -> dict[str, object] | None:
    if name not in c.images:
        return None
    return {"bytes": c.images[name], "path": f"{c.subject_id}_{name}.nii.gz"}


def isles24(count: int = 149) -> dict[str, bytes]:
    """The first shards of the pinned revision's layout, path -> bytes; sub-stroke0002 lacks its CTP."""
    chosen = sorted((path, case_id) for case_id, path in bundled_manifest().items())[:count]
    files = {}
    for number, (path, case_id) in enumerate(chosen):
        files[path] = shard([case(number, case_id, without=("ctp",) if case_id == "sub-stroke0002" else ())])
    return files
