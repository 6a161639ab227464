"""Lanes: the ways to read the Hub that the benchmark compares, each run in a process of its own.

    python -m benchmarks.hub_lanes TITLE < task.json

prints one line of JSON: seconds, peak RSS, and a proof of what was read. What a lane needs is imported before its clock
starts, and its client is made (reading the TLS trust store alone takes 50 ms); a "first list" counts the making, too.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import hub_floors as floors
from benchmarks import hub_peers as peers
from benchmarks.hub_task import Proof, Result, Task, digest


def _opener(task: Task, repo: str) -> Callable[[], Any]:
    """How ours is opened, cache included; nothing is opened yet."""
    from core.hub.cache import Cache
    from core.settings import Settings
    from core.sources.hub import open_hub

    cache = task.place / "ours"
    settings = Settings.model_validate({"HF_ENDPOINT": task.url, "STROKESCOPE_CACHE_DIR": cache})
    return lambda: open_hub(repo, None, settings, Cache(cache))


def ours_case(task: Task) -> Callable[[], Proof]:
    """The images as verified files; what is known already lies in the folder."""
    source = _opener(task, task.repo)()

    def go() -> Proof:
        files = source.fetch(task.case_id, task.names).files
        return lambda: digest(files[name].path for name in task.names)

    return go


def ours_footer(task: Task) -> Callable[[], Proof]:
    """The case's footer, which is kept."""
    source = _opener(task, task.repo)()

    def go() -> Proof:
        case = source.case(task.case_id)
        return lambda: str(case.case_id)

    return go


def ours_header(task: Task) -> Callable[[], Proof]:
    """Shape and spacing of the 4D image."""
    source = _opener(task, task.repo)()

    def go() -> Proof:
        header = source.header(task.case_id, "ctp")
        return lambda: "x".join(str(n) for n in header.shape)

    return go


def ours_refresh(task: Task) -> Callable[[], Proof]:
    """All footers: clinical values, images and sizes of every case."""
    source = _opener(task, task.repo)()

    def go() -> Proof:
        listing = source.refresh()
        return lambda: str(len(listing.cases) if listing.complete else 0)

    return go


def ours_list(task: Task) -> Callable[[], Proof]:
    """The list of the pinned dataset."""
    opened = _opener(task, task.repo)

    def go() -> Proof:
        listing = opened().listing()
        return lambda: str(len(listing.cases))

    return go


def ours_list_unknown(task: Task) -> Callable[[], Proof]:
    """The list of a dataset never seen before: commit, tree and all footers."""
    opened = _opener(task, task.small_repo)

    def go() -> Proof:
        listing = opened().listing()
        return lambda: str(len(listing.cases))

    return go


@dataclass(frozen=True)
class Lane:
    """One way.

    Attributes:
        title: in the table.
        group: lanes that do the same job; the first of a group is its floor.
        start: imports what is needed and returns the work.
        truth: name of the answer that the work must prove.
        prepare: title of what a process of its own does before, uncounted, in the same folder.
        package: without which the lane is skipped.
    """

    title: str
    group: str
    start: Callable[[Task], Callable[[], Proof]]
    truth: str
    prepare: str = ""
    package: str = ""


CASE = "one case (DWI + ADC + lesion mask) of a shard of 190 MB"
HEADER = "shape and spacing of its 4D image"
LIST = "149 shards: the list of cases with their clinical values"
FOOTER = Lane("the footer alone", "", ours_footer, "case")
WAYS = (
    Lane("floor: one ranged GET of exactly these bytes", CASE, floors.span, "span"),
    Lane("the same, then unpacked (CRC), hashed and synced to disk", CASE, floors.checked, "images"),
    Lane("Strokescope, footer known", CASE, ours_case, "images", prepare=FOOTER.title),
    Lane("Strokescope, footer unknown", CASE, ours_case, "images"),
    Lane("Strokescope, second time", CASE, ours_case, "images", prepare="Strokescope, footer unknown"),
    Lane("HfFileSystem + columns, 64 KB blocks", CASE, peers.file_system_64k, "images"),
    Lane("HfFileSystem + columns", CASE, peers.file_system, "images"),
    Lane("load_dataset(streaming=True, columns=…), first row", CASE, peers.streaming, "images", package="datasets"),
    Lane("hf_hub_download + columns", CASE, peers.hub_download, "images"),
    Lane("load_dataset(data_files=that shard)", CASE, peers.one_shard, "images", package="datasets"),
    Lane('load_dataset(split="train"), a dataset of that shard alone', CASE, peers.split, "images", package="datasets"),
    Lane("floor: 4 KB by one ranged GET", HEADER, floors.header, "header span"),
    Lane("Strokescope, header, footer known", HEADER, ours_header, "header", prepare=FOOTER.title),
    Lane("floor: 149 tails of 32 KB, 16 threads", LIST, floors.tails, "count"),
    Lane("Strokescope, refresh of 149", LIST, ours_refresh, "count"),
    Lane("Strokescope, first list (ids; the pinned dataset is known)", LIST, ours_list, "count"),
    Lane("Strokescope, first list of a dataset never seen", LIST, ours_list_unknown, "count"),
    Lane("HfFileSystem + pyarrow footers, 64 KB blocks, 16 threads", LIST, peers.footers, "count"),
    Lane('load_dataset(split="train"), 149 shards of 4 MB', LIST, peers.everything, "count", package="datasets"),
)
LANES = {lane.title: lane for lane in (FOOTER, *WAYS)}


def peak_rss_mb() -> float:
    """Of this process since its start, in MB (1e6 bytes); ru_maxrss would count the parent's too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def main(title: str) -> None:
    """Run one lane and print what it took."""
    go = LANES[title].start(Task.from_json(sys.stdin.read()))
    begun = time.perf_counter()
    proof = go()
    seconds = time.perf_counter() - begun
    rss = peak_rss_mb()
    print(Result(seconds, rss, proof()).to_json())


if __name__ == "__main__":
    main(sys.argv[1])
