"""A small dataset on a Hub on loopback with what is large: a CTA of noise, a 4D CTP, and one that no browser holds."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tests.hubserver.server import HubServer
from tests.hubserver.shards import Case, nifti, shard

REPO, COMMIT, LATER = "clinic/large", "c" * 40, "d" * 40
TIME_POINTS = 6


def monster() -> bytes:
    """The first bytes of an image that decodes to 1.2 GB a time point: enough to be refused by its header."""
    whole = bytearray(nifti(1, (2, 2, 2, 4), packed=False))
    whole[40:56] = np.array([4, 1100, 1100, 1000, 3, 1, 1, 1], np.int16).tobytes()
    return gzip.compress(bytes(whole) + np.random.default_rng(2).bytes(200_000), 1)


@contextmanager
def hub_with_large_images() -> Iterator[HubServer]:
    """Three cases: "wide" has a CTA of 18 MB, "long" a CTP of a few time points, "huge" one that is refused."""
    small = nifti(3, (24, 24, 12))
    cases = [
        Case("huge", {"dwi": small, "ctp": monster()}),
        Case("long", {"dwi": small, "ctp": nifti(4, (32, 32, 8, TIME_POINTS))}),
        Case("wide", {"dwi": small, "cta": nifti(5, (256, 256, 280))}),
    ]
    with HubServer() as hub:
        hub.add_dataset(REPO, COMMIT, {f"data/{case.subject_id}.parquet": shard([case]) for case in cases})
        yield hub
