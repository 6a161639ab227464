"""What one case costs: ours beside what users would do instead, on a shard of real size.

    python -m benchmarks.hub [--wan]

Each way runs in a process of its own against the test Hub; the columns are MB served, requests the server saw (those
to the second origin included), seconds, and peak RSS of the process. `--wan`: 80 ms a request, 12.5 MB/s, 302 to a
second origin.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.hub.cache import Cache
from core.hub.footer import footer_start, parse_footer
from core.settings import PINNED_REPO, PINNED_REVISION, Settings
from core.sources.hub import open_hub
from tests.hubserver import HubServer
from tests.hubserver.shards import IMAGES, Case, isles24, nifti, shard

CASE, NAMES = "sub-stroke0001", ("dwi", "adc", "lesion_mask")
PATH = "data/train-00000-of-00149.parquet"
MB = {"ncct": 18.0, "cta": 45.0, "ctp": 100.0, "tmax": 4.0, "mtt": 5.0, "cbf": 5.0, "cbv": 5.0, "dwi": 3.6, "adc": 3.9}


def real_size_shard() -> bytes:
    """One row of noise, about 190 MB; DWI, ADC and lesion 7.7 MB together."""
    slices = {name: max(1, round(MB.get(name, 0.2) * 1e6 / 65536)) for name in IMAGES}
    images = {name: nifti(i, (256, 256, slices[name])) for i, name in enumerate(IMAGES)}
    return shard([Case(CASE, images, {"age": 70.0, "sex": "F"})])


def ours(url: str, folder: Path) -> None:
    """Footer, then the columns."""
    settings = Settings.model_validate({"HF_ENDPOINT": url, "STROKESCOPE_CACHE_DIR": folder})
    open_hub(PINNED_REPO, None, settings, Cache(folder)).fetch(CASE, NAMES)


def footers(url: str, folder: Path) -> None:
    """All 149 footers."""
    settings = Settings.model_validate({"HF_ENDPOINT": url, "STROKESCOPE_CACHE_DIR": folder})
    assert open_hub(PINNED_REPO, None, settings, Cache(folder)).refresh().complete


def download(url: str, folder: Path) -> None:
    """hf_hub_download of the shard, then a column projection."""
    import pyarrow.parquet as pq
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        PINNED_REPO, PATH, repo_type="dataset", revision=PINNED_REVISION, endpoint=url, cache_dir=folder
    )
    pq.read_table(path, columns=[f"{name}.bytes" for name in NAMES])


def file_system(url: str, folder: Path) -> None:
    """HfFileSystem with its default block, then a column projection."""
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    fs = HfFileSystem(endpoint=url, token=False)
    with fs.open(f"datasets/{PINNED_REPO}@{PINNED_REVISION}/{PATH}", "rb") as file:
        pq.read_table(file, columns=[f"{name}.bytes" for name in NAMES])


def floor(url: str, folder: Path) -> None:
    """One ranged GET of exactly the bytes, known beforehand, kept in memory."""
    import httpx2

    first, last = (int(n) for n in (folder / "range").read_text().split())
    address = f"{url}/datasets/{PINNED_REPO}/resolve/{PINNED_REVISION}/{PATH}"
    headers = {"Range": f"bytes={first}-{last}"}
    assert httpx2.get(address, headers=headers, follow_redirects=True).status_code == 206


def peak_rss_mb() -> float:
    """Of this process since its start, in MB; ru_maxrss would count the parent's too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


WAYS: dict[str, Callable[[str, Path], None]] = {
    "ours: case, footer unknown": ours,
    "ours: case, footer known": ours,
    "floor: one ranged GET": floor,
    "HfFileSystem + columns": file_system,
    "hf_hub_download + columns": download,
    "ours: refresh of 149": footers,
}


def measure(way: str, hub: HubServer, folder: Path) -> str:
    """One line of the table."""
    if way.endswith("footer known"):
        settings = Settings.model_validate({"HF_ENDPOINT": hub.url, "STROKESCOPE_CACHE_DIR": folder})
        open_hub(PINNED_REPO, None, settings, Cache(folder)).case(CASE)
    hub.reset_counts()
    command = [sys.executable, "-m", "benchmarks.hub", "--way", way, "--url", hub.url, "--folder", str(folder)]
    seconds, rss = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return f"| {way} | {hub.total_bytes / 1e6:.2f} | {hub.requests} | {float(seconds):.2f} | {float(rss):.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--wan", action="store_true")
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--url", default="")
    parser.add_argument("--folder", type=Path, default=Path())
    chosen = parser.parse_args()
    if chosen.way:
        begun = time.perf_counter()
        WAYS[chosen.way](chosen.url, chosen.folder)
        print(time.perf_counter() - begun, peak_rss_mb())
        return
    slow = {"redirect": True, "latency_s": 0.08, "bandwidth": 12.5e6} if chosen.wan else {}
    with HubServer(**slow) as hub, tempfile.TemporaryDirectory() as tmp:  # type: ignore[arg-type]
        data = real_size_shard()
        (big := Path(tmp, "shard.parquet")).write_bytes(data)
        (row,) = parse_footer(data[footer_start(data[-65536:], len(data)) :], len(data)).rows
        hub.add_dataset(PINNED_REPO, PINNED_REVISION, {**isles24(), PATH: big})
        print(f"shard {len(data) / 1e6:.0f} MB" + (", WAN" if chosen.wan else ", loopback"))
        print("| way | MB served | requests | s | peak RSS MB |\n|---|---|---|---|---|")
        for number, way in enumerate(WAYS):
            (folder := Path(tmp, str(number))).mkdir()
            chunks = [row.images[name] for name in NAMES]
            (folder / "range").write_text(f"{min(c.start for c in chunks)} {max(c.stop for c in chunks) - 1}")
            print(measure(way, hub, folder), flush=True)


if __name__ == "__main__":
    main()
