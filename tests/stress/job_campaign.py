"""A campaign of jobs: ten people ask, cancel and ask again, while workers and the app are killed."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil

from core.segmentation.kept_record import RECORD
from tests.stress.job_bench import App, Bench, Refused, until
from tests.stress.job_checks import OPEN, all_over, records

OWNERS = tuple(f"session{n}" for n in range(10))
CASES = ("sample-02", "sample-04", "sample-14")
SEEDS = (3, 3.5, 4, 4.5, 5, 5.5, 6)  # so that a question comes again now and then
DEATHS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV)
GONE_S = 120.0  # a cancelled worker is gone by then, however busy the machine is


@dataclass
class Campaign:
    """What was done so far, and the app it is done to.

    Attributes:
        model: a folder for the engine "network"; "" for none.
        submitted: ids of all jobs, in order; groups: pids of all workers that were met.
        cancel_s: seconds from a cancel to the end of its worker.
        deleted: keys of results that somebody removed.
        fresh: how many questions were made up that nobody asked before.
    """

    bench: Bench
    random: Random
    app: App
    model: str = ""
    submitted: list[str] = field(default_factory=list)
    groups: set[int] = field(default_factory=set)
    cancel_s: list[float] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    acts: Counter[str] = field(default_factory=Counter)
    fresh: int = 0

    def play(self, count: int, deaths: int = 0) -> None:
        """Ask for so many jobs, with whatever befalls them; the app dies so many times meanwhile."""
        dies = set(self.random.sample(range(1, count), deaths))
        often = (self.cancel, self.cancel, self.cancel, self.kill_worker, self.kill_worker, self.again, self.everybody)
        acts = (*often, self.lose_images, self.delete, self.spoil)
        for number in range(count):
            self.submit()
            time.sleep(self.random.uniform(0, 0.7))
            if number in dies:
                self.kill_app()
            elif self.random.random() < 0.6:
                self.random.choice(acts)()
        until(lambda: all_over(self.bench), "all jobs are over", 600)

    def submit(self) -> None:
        """A person asks, perhaps what is answered or asked already; perhaps two at once."""
        question = self._question()
        owners = self.random.sample(OWNERS, 2 if self.random.random() < 0.3 else 1)
        calls = [self.app.call("submit", owner=owner, question=question) for owner in owners]
        told = [call.result(60) for call in calls]
        assert len({one["key"] for one in told}) == 1
        self.deleted.discard(told[0]["key"])
        self.submitted += [one["job"] for one in told]
        self.acts["submit"] += len(told)

    def cancel(self) -> None:
        """Somebody gives up one of his jobs; the process ends, unless another waits for the same."""
        job = self._any_open()
        if job is None:
            return
        shared = [r for r in self._open() if r["key"] == job["key"] and r["job_id"] != job["job_id"]]
        workers = self._workers() if job["state"] == "running" and not shared else []
        began = time.monotonic()
        with suppress(Refused):  # it ended meanwhile
            self.app.ask("cancel", owner=job["owner"], job=job["job_id"])
        if workers:
            until(lambda: not any(one.is_running() for one in workers), "the worker is gone", GONE_S)
            self.cancel_s.append(time.monotonic() - began)
        self.acts["cancel"] += 1

    def everybody(self) -> None:
        """All of one person's jobs are given up at once, twice."""
        owner = self.random.choice(OWNERS)
        mine = [record["job_id"] for record in self._open() if record["owner"] == owner]
        calls = [self.app.call("cancel", owner=owner, job=job) for job in (*mine, *mine)]
        for call in calls:
            with suppress(Refused):
                call.result(60)
        self.acts["cancel"] += len(mine)

    def again(self) -> None:
        """What did not end well is asked once more."""
        ended = [r for r in records(self.bench).values() if r["state"] in ("failed", "cancelled", "interrupted")]
        if ended:
            one = self.random.choice(ended)
            self.submitted.append(self.app.ask("again", owner=one["owner"], job=one["job_id"]))
            self.acts["again"] += 1

    def kill_worker(self) -> None:
        """Somebody kills the worker, at whatever it does."""
        for worker in self._workers()[:1]:
            with suppress(psutil.NoSuchProcess):
                worker.send_signal(self.random.choice(DEATHS))
                self.acts["worker killed"] += 1

    def lose_images(self) -> None:
        """Somebody empties the cache of a case that jobs may be waiting for."""
        shutil.rmtree(self.bench.folder / "cache" / "sample" / "1" / self.random.choice(CASES), ignore_errors=True)
        self.acts["images lost"] += 1

    def delete(self) -> None:
        """Somebody deletes a result; one that a job uses stays."""
        done = sorted({r["key"] for r in records(self.bench).values() if r["state"] == "done"} - self.deleted)
        if done:
            key = self.random.choice(done)
            try:
                self.app.ask("delete", key=key)
                self.deleted.add(key)
                self.acts["deleted"] += 1
            except Refused as error:
                assert error.args[0] == "ResultInUse", error

    def spoil(self) -> None:
        """A result that cannot be kept, as on a disk that fills at the last moment, is a failure that says so."""
        question = {**self._question(), "engine": "diffusion", "parameters": {"z_grow": self._unheard_of()}}
        question.pop("members", None)
        told = self.app.ask("submit", owner=OWNERS[0], question=question)
        self.submitted.append(told["job"])
        record = self.bench.results / told["key"] / RECORD
        record.mkdir(parents=True, exist_ok=True)
        until(lambda: records(self.bench)[told["job"]]["state"] not in OPEN, "the spoilt job is over", 300)
        ended = records(self.bench)[told["job"]]
        assert ended["state"] != "done", ended
        if record.is_dir():  # it was not its end that failed
            assert "kept" not in ended["reason"], ended
            shutil.rmtree(record.parent)
        self.acts["spoilt"] += 1

    def squeeze(self) -> None:
        """A life of the app in which nothing may be written: jobs say so, and a kept result is told all the same."""
        self.app.end(signal.SIGTERM)
        self.app = self.bench.start(STROKESCOPE_DISK_LIMIT="1M")
        question = {"case": CASES[0], "engine": "diffusion", "parameters": {"z_grow": self._unheard_of()}}
        job = self.app.ask("submit", owner=OWNERS[1], question=question)["job"]
        self.submitted.append(job)
        until(lambda: records(self.bench)[job]["state"] not in OPEN, "the refused job is over", 60)
        told = records(self.bench)[job]
        assert told["state"] == "failed" and "disk" in told["reason"], told
        self.app.end(signal.SIGTERM)
        self.app = self.bench.start()
        self.acts["disk full"] += 1

    def second_app(self) -> None:
        """Another app on the same folders leaves the first one's jobs alone, and cannot cancel them."""
        before = {record["job_id"] for record in self._open()}
        other = self.bench.start()
        for job in before:
            record = records(self.bench)[job]
            assert record["state"] != "interrupted", record
            with suppress(Refused):
                other.ask("cancel", owner=record["owner"], job=job)
        other.end(signal.SIGTERM)
        states = {job: records(self.bench)[job]["state"] for job in before}
        assert not {"interrupted", "cancelled"} & set(states.values()), states
        self.acts["second app"] += 1

    def kill_app(self) -> None:
        """The app dies, is started again, and some of what it interrupted is asked once more."""
        self._workers()
        was_open = {record["job_id"] for record in self._open()}
        self.app.end(self.random.choice((signal.SIGKILL, signal.SIGTERM)))
        until(lambda: not self.bench.left(), "its workers died with it", 30)
        self.app = self.bench.start()
        now = records(self.bench)
        for job in was_open & set(now):
            assert now[job]["state"] not in OPEN, now[job]
        for job in sorted(was_open)[:2]:
            if now[job]["state"] == "interrupted":
                self.submitted.append(self.app.ask("again", owner=now[job]["owner"], job=job))
        self.acts["app killed"] += 1

    def _unheard_of(self) -> float:
        """A value that no question had yet."""
        self.fresh += 1
        return 0.5 + 0.01 * self.fresh

    def _question(self) -> dict[str, Any]:
        case = self.random.choice(CASES)
        done = {
            record["key"]: record
            for record in records(self.bench).values()
            if record["state"] == "done" and record["case_id"] == case and record["engine"] == "diffusion"
            if record["key"] not in self.deleted and (self.bench.results / record["key"] / RECORD).is_file()
        }
        dice = self.random.random()
        if dice < 0.2 and len(done) > 1:
            members = self.random.sample(sorted(done), 2)
            return {"case": case, "members": members, "rule": self.random.choice(("majority", "mean"))}
        if dice > 0.92 and self.model:
            return {"case": case, "engine": "network", "model": self.model}
        return {"case": case, "engine": "diffusion", "parameters": {"z_seed": self.random.choice(SEEDS)}}

    def _open(self) -> list[dict[str, Any]]:
        return [record for record in records(self.bench).values() if record["state"] in OPEN]

    def _any_open(self) -> dict[str, Any] | None:
        mine = self._open()
        running = [record for record in mine if record["state"] == "running"]
        chosen = running if running and self.random.random() < 0.6 else mine
        return self.random.choice(chosen) if chosen else None

    def _workers(self) -> list[psutil.Process]:
        found = self.app.workers()
        self.groups |= {one.pid for one in found}
        return found
