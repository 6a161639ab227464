"""A Hub on loopback that serves ISLES'24-shaped shards with believable heads: the sample cohort under other ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.hub.catalog import bundled_manifest
from core.settings import PINNED_REPO, PINNED_REVISION
from core.sources.sample import SampleSource
from tests.hubserver.server import HubServer
from tests.hubserver.shards import Case, isles24, shard

HEADS = {"sub-stroke0014": "sample-01", "sub-stroke0001": "sample-06", "sub-stroke0013": "sample-05"}


def shards_with_heads(folder: Path) -> dict[str, bytes]:
    """All 149 shards; those of HEADS hold heads, the others noise."""
    files, source = isles24(), SampleSource(folder)
    manifest = bundled_manifest()
    for case_id, sample_id in HEADS.items():
        names = source.case(sample_id).modalities or ()
        images = {n: f.path.read_bytes() for n, f in source.fetch(sample_id, names).files.items()}
        scalars: dict[str, float | str] = {"age": 71.0, "sex": "F", "nihss_admission": 14.0, "mrs_3month": 4.0}
        files[manifest[case_id]] = shard([Case(case_id, images, scalars)])
    return files


@contextmanager
def hub_with_heads(folder: Path, port: int = 0, bandwidth: float | None = None) -> Iterator[HubServer]:
    """The server, with the pinned dataset at its pinned revision."""
    with hub_serving(shards_with_heads(folder), port, bandwidth) as hub:
        yield hub


@contextmanager
def hub_serving(shards: dict[str, bytes], port: int = 0, bandwidth: float | None = None) -> Iterator[HubServer]:
    """The same with shards that are made already."""
    with HubServer(port=port, bandwidth=bandwidth) as hub:
        hub.add_dataset(PINNED_REPO, PINNED_REVISION, dict(shards))
        yield hub
