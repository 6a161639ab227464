"""The watchdog on written readings with its own clock, and on a real worker: who is killed, when, and what is told."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.resources.child import ChildEnd, run_child
from core.resources.disk import DiskReading
from core.resources.memory import MemoryReading
from core.resources.watchdog import ALERT_S, BUSY_S, IDLE_S, RECORD_S, Watchdog
from core.resources.watched import Kill, killed_error

LIMIT = 1_000_000_000
KILLED = ChildEnd(-9, signal.SIGKILL, "", 700.0, False, False, 1.0)


class World:
    """A container that does what the test says."""

    def __init__(self) -> None:
        self.used, self.now, self.kills, self.disk = 0.1, 0.0, 0, 0.1
        self.events: list[str] = []
        self.held: dict[str, str] = {}
        self.given_back: list[str] = []

    def read(self) -> MemoryReading:
        return MemoryReading(LIMIT, "cgroup v2", int(self.used * LIMIT), None, True, self.kills)

    def read_disk(self) -> DiskReading:
        used = int(self.disk * LIMIT)
        return DiskReading(LIMIT, "file system", used, 0, LIMIT - used)

    def hold(self, why: str, by: str) -> None:
        self.held[by] = why

    def record(self, event: str, **facts: object) -> None:
        self.events.append(str(facts.get("rung", event)))

    def watchdog(self, tmp_path: Path, record: Callable[..., object] | None = None) -> Watchdog:
        return Watchdog(
            self.read,
            self.read_disk,
            record=record or self.record,
            trim=lambda: self.given_back.append("caches"),
            evict=lambda: self.given_back.append("files"),
            hold=self.hold,
            clock=lambda: self.now,
            shm_root=tmp_path / "shm",
        )


class Victim:
    """A handle that only remembers what had been recorded when it was killed."""

    def __init__(self, pid: int, world: World) -> None:
        self._pid, self._world = pid, world
        self.before: list[str] | None = None

    @property
    def pid(self) -> int:
        return self._pid

    def kill(self) -> bool:
        self.before = list(self._world.events)
        return True


def test_intent_is_recorded_before_the_kill_and_the_user_is_told(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    with dog.watch("segmenting", "sub-1", 300) as job:
        victim = Victim(os.getpid(), world)
        job.attach(victim)
        world.used = 0.89
        dog.look()
        assert victim.before is not None and "kill_intent" in victim.before
        error = job.ended(KILLED)
    assert error is not None
    assert "0.89 GB of 1.0 GB" in str(error) and "expected to need 0.30 GB" in str(error) and error.hint
    assert dog.status().last_kill is job.killed is not None
    dog.stop()


def test_the_heaviest_is_killed_first_and_never_twice(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    small, large = Victim(2**22 + 3, world), Victim(os.getpid(), world)  # one that has gone, and this test
    with dog.watch("a") as first, dog.watch("b") as second:
        first.attach(small)
        second.attach(large)
        world.used = 0.90
        dog.look()
        assert large.before is not None and small.before is None
        large.before = None
        world.now = 6.0
        dog.look()
        assert small.before is not None and large.before is None
    dog.stop()


def test_draining_ends_all_workers_but_not_the_app(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    victims = [Victim(os.getpid(), world), Victim(os.getpid(), world)]
    with dog.watch("a") as first, dog.watch("b") as second:
        first.attach(victims[0])
        second.attach(victims[1])
        world.used = 0.97
        dog.look()
        assert all(victim.before for victim in victims)
    world.now += 60
    dog.look()
    dog.stop()


def test_door_caches_and_disk(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    world.used, world.disk = 0.82, 0.92
    dog.look()
    assert all(world.held[by] for by in ("ram", "disk"))
    world.used, world.disk, world.now = 0.1, 0.1, 5.0
    dog.look()
    assert world.held == {"ram": "", "disk": ""}
    deadline = time.monotonic() + 60
    while len(world.given_back) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    dog.stop()
    assert {"warn", "hold", "trimmed", "disk-refuse", "evicted", "calm", "resume", "disk-accept"} <= set(world.events)
    assert sorted(world.given_back) == ["caches", "files"]
    assert "kill_intent" not in world.events


def test_a_slow_record_does_not_hold_up_the_kill(tmp_path: Path) -> None:
    world, go = World(), threading.Event()

    def stuck(event: str, **facts: object) -> None:
        go.wait(60)

    dog = world.watchdog(tmp_path, record=stuck)
    victim = Victim(os.getpid(), world)
    with dog.watch("a") as job:
        job.attach(victim)
        world.used = 0.9
        began = time.monotonic()
        dog.look()
        assert victim.before is not None
        assert time.monotonic() - began < RECORD_S + 20  # far from the record's minute
    go.set()
    dog.stop()


def test_a_callback_that_fails_does_not_end_the_watchdog(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("strokescope.watchdog")  # the app's own log may have been set up before

    def fail(event: str, **facts: object) -> None:
        raise OSError(28, "secret path")

    world = World()
    dog = world.watchdog(tmp_path, record=fail)
    world.used = 0.75
    logger.addHandler(caplog.handler)
    dog.look()
    dog.stop()
    logger.removeHandler(caplog.handler)
    assert "OSError" in caplog.text and "secret" not in caplog.text


def test_it_looks_often_only_when_there_is_need(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    assert dog.look() == IDLE_S
    with dog.watch("a", predicted_mb=5000) as job:
        job.attach(Victim(os.getpid(), world))
        assert dog.look() == BUSY_S
        world.used = 0.2
        assert dog.look() == ALERT_S  # 100 MB since the last look: the limit is eight such looks away
        assert dog.look() == BUSY_S
        world.used = 0.83
        dog.look()
        assert dog.look() == ALERT_S
        assert dog.status().workers == ("a",)
    dog.stop()


def test_who_ended_a_worker(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    with dog.watch("scoring") as job:
        job.attach(Victim(os.getpid(), world))
        assert job.ended(KILLED) is None  # somebody else's kill
    with dog.watch("scoring") as job:
        job.attach(Victim(os.getpid(), world))
        world.kills = 1
        error = job.ended(KILLED)
        assert error is not None and "system" in str(error) and "0.70 GB" in str(error)
        assert job.kernel_kills == 1
        assert job.ended(ChildEnd(0, None, "", 1, False, False, 1)) is None
    dog.stop()


@pytest.mark.parametrize("reason", ["level", "projection", "drain"])
def test_every_reason_has_its_words(reason: str) -> None:
    kill = Kill(reason, 900, 1000, 100, 0, 0.7)  # type: ignore[arg-type]
    error = killed_error("segmenting", kill)
    assert "close open cases" in error.hint and "expected" not in str(error)


def test_a_real_worker_that_grows_is_killed_in_time(tmp_path: Path) -> None:
    """A limit that only this test believes in: used is the worker's own RSS."""
    code = (
        "import time\nheld = []\n"
        "for _ in range(400):\n    held.append(bytearray(b'x' * 5_000_000)); time.sleep(0.01)\ntime.sleep(600)"
    )
    pids: list[int] = []

    def read() -> MemoryReading:
        used = sum(
            int(Path(f"/proc/{p}/statm").read_text().split()[1]) * 4096 for p in pids if Path(f"/proc/{p}").exists()
        )
        return MemoryReading(400_000_000, "cgroup v2", used, None, False, 0)

    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc")
    events: list[str] = []
    dog = Watchdog(read, record=lambda event, **facts: events.append(event), shm_root=tmp_path / "none")
    dog.start()
    dog.start()
    try:
        with dog.watch("growing", predicted_mb=50) as job:
            end = run_child(
                [sys.executable, "-I", "-c", code], lambda line: None, lambda: False, 120,
                on_start=pids.append, on_handle=job.attach,
            )  # fmt: skip
            error = job.ended(end)
    finally:
        dog.stop()
    assert end.signal == signal.SIGKILL and not end.timed_out
    assert job.killed is not None and error is not None
    assert "kill_intent" in events


def test_what_a_killed_worker_leaves_in_shared_memory_goes(tmp_path: Path) -> None:
    shm_root = tmp_path / "shm"
    shm_root.mkdir()
    (shm_root / "others").write_bytes(b"x" * 100_000)
    code = (
        "import sys, json, time, mmap\n"
        "files = [open(f'{sys.argv[1]}/{n}', 'w+b') for n in 'ab']\n"
        "for f in files: f.write(b'x' * 200_000); f.flush()\n"
        "held = mmap.mmap(files[1].fileno(), 0); files[1].close()\n"
        "print(json.dumps({'ready': 1}), flush=True); time.sleep(600)"
    )
    world, ready = World(), threading.Event()
    dog = world.watchdog(tmp_path)
    with dog.watch("sharing") as job:

        def say(line: dict[str, object]) -> None:
            world.used = 0.9
            dog.look()
            ready.set()

        end = run_child(
            [sys.executable, "-I", "-c", code, str(shm_root)], say, lambda: False, 120, on_handle=job.attach
        )
        assert ready.is_set() and end.signal == signal.SIGKILL
        assert job.ended(end) is not None
    dog.stop()
    assert [path.name for path in shm_root.iterdir()] == ["others"]


def test_in_a_container_of_our_own_whatever_appeared_meanwhile_goes(tmp_path: Path) -> None:
    shm_root = tmp_path / "shm"
    shm_root.mkdir()
    (shm_root / "before").write_bytes(b"x")
    world = World()
    dog = Watchdog(world.read, shm_root=shm_root, alone=True)
    with dog.watch("sharing") as job, (shm_root / "open").open("wb"):
        job.attach(Victim(2**22 + 3, world))
        (shm_root / "closed").write_bytes(b"x")
        (shm_root / "open").write_bytes(b"x")
        job.ended(KILLED)
    dog.stop()
    assert {path.name for path in shm_root.iterdir()} == {"before", "open"}
