"""What must be true of jobs whatever befell them: read from the disk and from the processes, not from the desk.

A Witness reads the book's files all the time, so that a second final state is seen even if a third hides it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from core.segmentation.kept import Results
from tests.stress.job_bench import App, Bench, until

OPEN, FINAL = ("waiting", "running"), ("done", "failed", "cancelled", "interrupted")


class Witness:
    """Every state that each job was seen in, in order.

    Args:
        folder: the book's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = folder, dict[str, list[str]]()
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._stop, self._looking = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Read what has changed."""
        with self._looking:
            for path in sorted(self.folder.glob("*.json")):
                try:
                    status = path.stat()
                    stamp = (status.st_ino, status.st_mtime_ns)
                    if self._stamps.get(path) == stamp:
                        continue
                    record = json.loads(path.read_text(encoding="utf-8"))
                except FileNotFoundError:
                    continue
                self._stamps[path] = stamp
                states = self.seen.setdefault(record["job_id"], [])
                if states[-1:] != [record["state"]]:
                    states.append(record["state"])

    def check(self) -> None:
        """Each job went forward only, and ended once."""
        self.look()
        for job, states in self.seen.items():
            steps = [(*OPEN, "end").index(state if state in OPEN else "end") for state in states]
            assert set(states) <= {*OPEN, *FINAL}, (job, states)
            assert steps == sorted(set(steps)) and states[-1] in FINAL, (job, states)

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.look()


def records(bench: Bench) -> dict[str, dict[str, Any]]:
    """All records on the disk, by id; a torn one is an error."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in bench.book.glob("*.json"))
    return {record["job_id"]: record for record in found}


def all_over(bench: Bench) -> bool:
    """Whether no record waits or runs."""
    return all(record["state"] in FINAL for record in records(bench).values())


def check_records(bench: Bench, submitted: Iterable[str]) -> Mapping[str, dict[str, Any]]:
    """Every job that was ever promised has one record, which is over and tells when and why."""
    found = records(bench)
    assert set(submitted) <= set(found)
    for job, record in found.items():
        assert record["state"] in FINAL, record
        assert record["ended"] is not None and record["ended"] >= record["created"], record
        if record["state"] in ("failed", "interrupted"):
            assert record["reason"], record
        if record["started"] is not None:
            assert record["created"] <= record["started"] <= record["ended"], record
        assert job == record["job_id"]
    return found


def check_processes(bench: Bench, app: App | None, groups: Iterable[int]) -> None:
    """Nothing that a bench started lives but its app, and no process group of a worker has a member."""
    mine = set() if app is None else {app.pid}
    until(lambda: {one.pid for one in bench.left()} <= mine, "every process but the app's is gone", 30)
    for group in groups:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            continue
        raise AssertionError(f"the group of worker {group} lives")


def check_files(bench: Bench, deleted: Collection[str] = ()) -> None:
    """Every folder of results is whole and known to the book; nothing half lies anywhere.

    Args:
        deleted: keys of results that somebody removed.
    """
    done = {record["key"] for record in records(bench).values() if record["state"] == "done"}
    results = Results(bench.folder / "cache")
    there = {path.name for path in bench.results.iterdir()} if bench.results.is_dir() else set()
    assert there <= done and done - there <= set(deleted), (there - done, done - there)
    for key in there:
        assert results.find(bench.results / key) is not None, key
        strange = [p.name for p in (bench.results / key).rglob("*") if p.name.startswith(".") or ".part" in p.name]
        assert strange == [], (key, strange)
    half = [path for path in (bench.folder / "state").rglob("*.part*") if "flight" not in path.parts]
    assert half == []


def check_whole(app: App, bench: Bench) -> None:
    """Results that are told as done open, and say the same everywhere."""
    for record in records(bench).values():
        if record["state"] == "done" and (bench.results / record["key"]).is_dir():
            told = app.ask("whole", key=record["key"])
            assert told["agrees"] and told["case"] == record["case_id"], record
