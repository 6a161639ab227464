"""World: the datasets that the Hub's benchmark reads, on two test Hubs: one near, one on a slow line.

Three repositories of noise: 149 shards of which the first has a real size, 149 shards of about 4 MB, and one shard
alone. Noise does not shrink, so unpacking costs less here than with real images. Says beforehand where every byte lies
and what the right answer is, by pyarrow, so that no lane judges itself.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.hub_task import Task
from core.hub.catalog import bundled_manifest
from core.settings import PINNED_REPO, PINNED_REVISION
from tests.hubserver import HubServer
from tests.hubserver.shards import COMMIT, IMAGES, case, nifti, shard

NAMES = ("dwi", "adc", "lesion_mask")
MB = {"ncct": 18.0, "cta": 45.0, "tmax": 4.0, "mtt": 5.0, "cbf": 5.0, "cbv": 5.0, "dwi": 3.6, "adc": 3.9}
CTP_MB, SMALL_MB = 100.0, 4.0  # of the 4D image, and of a whole small shard
SMALL_REPO, SINGLE_REPO = "bench/small", "bench/single"
HEADER = 4096  # bytes of a column that tell an image's header
TAIL = 32768  # bytes that hold most footers
LATENCY_S, BANDWIDTH = 0.08, 12.5e6


@dataclass(frozen=True)
class World:
    """The Hubs by line ("loopback", "WAN"), what a lane is told of them, and the right answers by name."""

    hubs: Mapping[str, HubServer]
    task: Task
    truth: Mapping[str, str]
    shard_mb: float

    def task_on(self, line: str, folder: Path) -> Task:
        """The task on one line, in a folder of its own."""
        return dataclasses.replace(self.task, url=self.hubs[line].url, folder=str(folder))


@contextmanager
def world(folder: Path, scale: float = 1.0, count: int = 149) -> Iterator[World]:
    """Make the shards below the folder and serve them.

    Args:
        scale: of all images' sizes; 1 for real ones.
        count: shards of the two large repositories; the refresh needs all 149.
    """
    images = real_images(scale)
    paths = {path: case_id for case_id, path in sorted(bundled_manifest().items(), key=lambda item: item[1])[:count]}
    first = next(iter(paths))
    small = _small_shards(folder, paths, scale)
    big = folder / "big.parquet"
    big.write_bytes(shard([dataclasses.replace(case(0, paths[first]), images=images)]))
    task, truth = _described(big, first, paths, images)
    with ExitStack() as stack:
        near = stack.enter_context(HubServer())
        far = stack.enter_context(HubServer(redirect=True, latency_s=LATENCY_S, bandwidth=BANDWIDTH))
        near.add_dataset(PINNED_REPO, PINNED_REVISION, {**small, first: big})
        near.add_dataset(SMALL_REPO, COMMIT, small)
        near.add_dataset(SINGLE_REPO, COMMIT, {"data/train-00000-of-00001.parquet": big})
        for (
            repo,
            dataset,
        ) in near.datasets.items():  # the server hashes all files at its first listing: not a lane's cost
            with urllib.request.urlopen(
                f"{near.url}/api/datasets/{repo}/tree/{dataset.commit}?recursive=true"
            ) as answer:
                answer.read()
        far.datasets.update(near.datasets)
        yield World({"loopback": near, "WAN": far}, task, truth, big.stat().st_size / 1e6)


def real_images(scale: float) -> dict[str, bytes]:
    """Gzipped NIfTI files of noise by column, about 190 MB at scale 1; DWI, ADC and lesion 7.7 MB together."""
    slices = {name: max(1, round(MB.get(name, 0.2) * scale * 1e6 / 65536)) for name in IMAGES}
    images = {name: nifti(i, (256, 256, slices[name])) for i, name in enumerate(IMAGES) if name != "ctp"}
    times = max(1, round(CTP_MB * scale * 1e6 / 65536 / 32))
    return {**images, "ctp": nifti(99, (256, 256, 32, times))}


def _small_shards(folder: Path, paths: Mapping[str, str], scale: float) -> dict[str, bytes | Path]:
    """Path in the repository -> file. All hold the same images: only their numbers differ."""
    slices = max(1, round(SMALL_MB * scale * 1e6 / len(IMAGES) / 4096))
    images = {name: nifti(i, (64, 64, slices)) for i, name in enumerate(IMAGES)}
    made: dict[str, bytes | Path] = {}
    for number, (path, case_id) in enumerate(paths.items()):
        made[path] = file = folder / f"small-{number:03d}.parquet"
        file.write_bytes(shard([dataclasses.replace(case(number, case_id), images=images)]))
    return made


def _described(
    big: Path, path: str, paths: Mapping[str, str], images: Mapping[str, bytes]
) -> tuple[Task, dict[str, str]]:
    """What the lanes are told, and what each must find."""
    spans = column_spans(big)
    first, last = min(spans[name][0] for name in NAMES), max(spans[name][1] for name in NAMES) - 1
    head = spans["ctp"][0]
    with big.open("rb") as file:
        file.seek(first)
        part = file.read(last + 1 - first)
        file.seek(head)
        header = file.read(HEADER)
    task = Task(
        repo=PINNED_REPO, commit=PINNED_REVISION, small_repo=SMALL_REPO, small_commit=COMMIT, single_repo=SINGLE_REPO,
        path=path, case_id=paths[path], names=NAMES, span=(first, last), header_span=(head, head + HEADER - 1),
        starts=tuple(first + part.index(images[name]) for name in NAMES),
        sizes=tuple(len(images[name]) for name in NAMES),
        paths=tuple(paths), tail=TAIL,
    )  # fmt: skip
    truth = {
        "images": hashlib.sha256(b"".join(images[name] for name in NAMES)).hexdigest(),
        "span": hashlib.sha256(part).hexdigest(),
        "header span": hashlib.sha256(header).hexdigest(),
        "header": "x".join(str(n) for n in _shape(images["ctp"])),
        "count": str(len(paths)),
        "case": paths[path],
    }
    return task, truth


def column_spans(path: Path) -> dict[str, tuple[int, int]]:
    """Image -> bytes of its column chunk (stop exclusive) in a shard of one row group."""
    spans = {}
    group = pq.ParquetFile(path).metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        name, _, leaf = column.path_in_schema.partition(".")
        if leaf == "bytes":
            start = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
            spans[name] = (start, start + column.total_compressed_size)
    return spans


def _shape(image: bytes) -> tuple[int, ...]:
    head = gzip.decompress(image)[40:56]
    numbers = [int.from_bytes(head[at : at + 2], "little") for at in range(0, 16, 2)]
    return tuple(numbers[1 : numbers[0] + 1])
