"""Peers: what users would do instead of our reader: huggingface_hub, pyarrow over HfFileSystem, datasets.

Each function imports what it needs and makes the client, which no clock counts, and returns the work to be timed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.hub_task import THREADS, Proof, Task, digest


def hub_download(task: Task) -> Callable[[], Proof]:
    """hf_hub_download of the shard, then a column projection."""
    import pyarrow.parquet as pq
    from huggingface_hub import get_session, hf_hub_download

    get_session()

    def go() -> Proof:
        path = hf_hub_download(task.repo, task.path, repo_type="dataset", revision=task.commit)
        table = pq.read_table(path, columns=task.columns)
        return lambda: _table_digest(table, task)

    return go


def _file_system(task: Task, **options: int) -> Callable[[], Proof]:
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem, get_session

    get_session()
    fs = HfFileSystem()

    def go() -> Proof:
        with fs.open(f"datasets/{task.repo}@{task.commit}/{task.path}", "rb", **options) as file:
            table = pq.read_table(file, columns=task.columns, pre_buffer=True)
        return lambda: _table_digest(table, task)

    return go


def file_system(task: Task) -> Callable[[], Proof]:
    """HfFileSystem with its default block, then a column projection."""
    return _file_system(task)


def file_system_64k(task: Task) -> Callable[[], Proof]:
    """The same with blocks of 64 KB."""
    return _file_system(task, block_size=65536)


def footers(task: Task) -> Callable[[], Proof]:
    """Every shard's footer by HfFileSystem and pyarrow, 16 at a time."""
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem, get_session

    get_session()
    fs = HfFileSystem()

    def go() -> Proof:

        def one(path: str) -> int:
            with fs.open(f"datasets/{task.repo}@{task.commit}/{path}", "rb", block_size=65536) as file:
                return int(pq.read_metadata(file).num_rows)

        with ThreadPoolExecutor(THREADS) as pool:
            rows = sum(pool.map(one, task.paths))
        return lambda: str(rows)

    return go


def _table_digest(table: Any, task: Task) -> str:
    """Of the columns in the order they were asked for: pyarrow names them all "bytes"."""
    return digest(table.column(number)[0].as_py() for number in range(len(task.names)))


def streaming(task: Task) -> Callable[[], Proof]:
    """load_dataset(streaming=True) with columns: the first row."""
    from datasets import load_dataset
    from huggingface_hub import get_session

    get_session()

    def go() -> Proof:
        rows = load_dataset(
            task.repo, revision=task.commit, split="train", streaming=True, columns=list(task.names)
        ).decode(False)
        row = next(iter(rows))
        return lambda: digest(row[name]["bytes"] for name in task.names)

    return go


def _eager(task: Task, repo: str, **options: object) -> Callable[[], Proof]:
    from datasets import load_dataset
    from huggingface_hub import get_session

    get_session()

    def go() -> Proof:
        row = load_dataset(repo, split="train", **options).with_format("arrow")[0]
        return lambda: digest(row.column(name)[0].as_py()["bytes"] for name in task.names)

    return go


def one_shard(task: Task) -> Callable[[], Proof]:
    """load_dataset(data_files=the shard)."""
    return _eager(task, task.repo, revision=task.commit, data_files=task.path)


def split(task: Task) -> Callable[[], Proof]:
    """load_dataset(split="train") of a dataset of one shard."""
    return _eager(task, task.single_repo)


def everything(task: Task) -> Callable[[], Proof]:
    """load_dataset(split="train") of 149 small shards, which is how a drop-down of cases was once filled."""
    from datasets import load_dataset
    from huggingface_hub import get_session

    get_session()

    def go() -> Proof:
        rows = load_dataset(task.small_repo, split="train", revision=task.small_commit)
        return lambda: str(len(set(rows["subject_id"])))

    return go
