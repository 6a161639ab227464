"""Ten visitors of the whole app, by its own sockets: they run, cancel and come back, while its processes are killed."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.stress.campaign import FACTOR, random_of
from tests.stress.job_bench import MARK, Bench, until
from tests.stress.job_checks import Witness, all_over, check_files, check_processes, check_records, records
from tests.stress.visitor import Visitor
from tests.stress.whole import Whole, whole_app

pytestmark = [
    pytest.mark.stress,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' parent-death signal"),
]
PEOPLE, ROUNDS, CASES = 10, max(2, round(5 * FACTOR)), tuple(f"sample-{n:02d}" for n in range(1, 17))


def arrived(visitor: Visitor) -> bool:
    """Whether the case is open with its job; one that safe mode holds back is opened by hand."""
    if visitor.press("Open it anyway"):
        return False
    ways = ("Run ·", "Cancel", "Retry")
    return any(visitor.can(way) for way in ways) or "Segmented volume" in visitor.words()


@dataclass
class Crowd:
    """The visitors, by their cookies: a tab may go, the person comes back."""

    whole: Whole
    bench: Bench
    random: Random
    cookies: list[str] = field(default_factory=lambda: [""] * PEOPLE)
    groups: set[int] = field(default_factory=set)

    def everybody(self, act: Callable[[int], None]) -> None:
        """All of them at once."""
        with ThreadPoolExecutor(PEOPLE) as threads:
            for done in [threads.submit(act, number) for number in range(PEOPLE)]:
                done.result()

    @contextmanager
    def tab(self, number: int, case: str) -> Iterator[Visitor]:
        """One of them opens the Segment page on a case, and closes it."""
        visitor = Visitor(f"http://127.0.0.1:{self.whole.port}/", "segment", self.cookies[number], case=case)
        self.cookies[number] = visitor.cookies
        try:
            yield visitor
        finally:
            visitor.leave()

    def round(self, app_dies: bool) -> None:
        """Each asks for a case; some give up; a worker is killed, or the whole app, and everybody comes back."""
        wanted = [self.random.choice(CASES) for _ in range(PEOPLE)]
        gives_up = {number for number in range(PEOPLE) if self.random.random() < 0.3}

        def run(number: int) -> None:
            with self.tab(number, wanted[number]) as visitor:
                visitor.until(arrived)
                visitor.press("Run ·")
                if number in gives_up:
                    time.sleep(0.1 * number)
                    visitor.press("Cancel")

        def come_back(number: int) -> None:
            with self.tab(number, wanted[number]) as visitor:
                visitor.until(arrived)
                visitor.press("Retry")

        self.everybody(run)
        if app_dies:
            self.kill_app()
        else:
            self.kill_worker()
        self.everybody(come_back)
        until(lambda: all_over(self.bench), "all jobs are over", 300)

    def kill_app(self) -> None:
        """The dashboard's process dies; the supervisor starts another."""
        (app,) = psutil.Process(self.whole.process.pid).children()
        app.kill()
        until(lambda: not app.is_running() or app.status() == psutil.STATUS_ZOMBIE, "the app is gone")
        time.sleep(0.5)
        self.whole.until_up()

    def kill_worker(self) -> None:
        """Somebody kills a worker."""
        for app in psutil.Process(self.whole.process.pid).children():
            for worker in app.children()[:1]:
                self.groups.add(worker.pid)
                worker.send_signal(self.random.choice((signal.SIGKILL, signal.SIGSEGV)))


def test_fifty_jobs_of_ten_visitors(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    try:
        with whole_app(tmp_path, extra={MARK: bench.mark}) as whole, Witness(bench.book) as witness:
            crowd = Crowd(whole, bench, random_of(0))
            for number in range(ROUNDS):
                crowd.round(app_dies=number % 2 == 1)
            witness.check()
            found = check_records(bench, ())
            assert len({record["owner"] for record in found.values()}) == PEOPLE
            check_files(bench)
        check_processes(bench, None, crowd.groups)
    finally:
        bench.clear()
    states = [record["state"] for record in records(bench).values()]
    sys.stdout.write(f"{len(states)} jobs: { {state: states.count(state) for state in sorted(set(states))} }\n")
