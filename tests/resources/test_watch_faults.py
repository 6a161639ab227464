"""What goes wrong around the watchdog does not end it: a worker that ends meanwhile, a reading that fails."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.resources.child import ChildEnd
from core.resources.memory import MemoryReading
from core.resources.watchdog import Watchdog
from tests.resources.test_watchdog import World

LONG_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


class Over:
    """A handle whose process has just ended by itself."""

    pid = 2**22 + 3

    def kill(self) -> bool:
        return False


class Mortal:
    """A handle whose process ends with the kill."""

    def __init__(self) -> None:
        self.pid, self.kills = os.getpid(), 0

    def kill(self) -> bool:
        self.kills += 1
        return True


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_kill_that_came_too_late_is_not_told_as_one(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    with dog.watch("a") as job:
        job.attach(Over())
        world.used = 0.9
        dog.look()
        assert job.killed is None and dog.status().last_kill is None
    dog.stop()
    assert world.events.index("kill_missed") > world.events.index("kill_intent")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the watchdog says, also after another test has set up the app's own log."""
    logger = logging.getLogger("strokescope.watchdog")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_a_reading_that_fails_does_not_end_the_watch(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    world, fails, failed = World(), threading.Event(), []
    fails.set()

    def read() -> object:
        if fails.is_set():
            failed.append(1)
            raise OSError(24, "secret path")
        return World.read(world)

    world.read = read  # type: ignore[assignment,method-assign]
    dog = world.watchdog(tmp_path)
    victim = Mortal()
    dog.start()
    try:
        with dog.watch("a") as job:
            until(lambda: not dog.status().sees and len(failed) >= 5)
            fails.clear()
            until(lambda: dog.status().sees)
            job.attach(victim)
            world.used = 0.96
            until(lambda: victim.kills)
    finally:
        dog.stop()
    assert "OSError" in log.text and "secret" not in log.text
    blind = {id(record) for record in log.records if "cannot see" in record.getMessage()}
    assert len(blind) == 1  # once, not at every look


def test_a_result_is_not_lost_because_ram_cannot_be_read(tmp_path: Path) -> None:
    def read() -> MemoryReading:
        raise OSError(24, "no descriptor left")

    dog = Watchdog(read, shm_root=tmp_path / "none")
    with dog.watch("a") as job:
        job.attach(Mortal())
        assert job.ended(ChildEnd(0, None, "", 1.0, False, False, 1.0)) is None
        assert job.ended(ChildEnd(-9, 9, "", 1.0, False, False, 1.0)) is None and job.kernel_kills == 0
    dog.stop()


def test_a_worker_is_killed_though_the_record_is_closed(tmp_path: Path) -> None:
    world, victim = World(), Mortal()
    dog = world.watchdog(tmp_path)
    dog.stop()
    with dog.watch("a") as job:
        job.attach(victim)
        world.used = 0.9
        dog.look()
        assert victim.kills == 1


def test_the_next_worker_is_spared_while_the_killed_one_gives_its_memory_back(tmp_path: Path) -> None:
    world = World()
    dog = world.watchdog(tmp_path)
    first, second = Mortal(), Mortal()
    with dog.watch("a") as one, dog.watch("b") as two:
        one.attach(first)
        two.attach(second)
        world.used = 0.9
        for tenth in range(20):
            world.now = tenth / 10
            dog.look()
        assert first.kills + second.kills == 1
        world.now = 60.0  # it was given time enough
        dog.look()
        assert first.kills + second.kills == 2
    dog.stop()


WITHOUT_DESCRIPTORS = """
import os, resource, sys, time
from pathlib import Path
from core.resources.light import LightMemory
from core.resources.child import ChildEnd
from core.resources.memory import MemoryReading
from core.resources.watchdog import Watchdog
from core.settings import Settings
from tests.resources.test_watch_faults import Mortal, until
from tests.resources.trees import GIB, MIB, proc, v2_group, write
tmp = Path(sys.argv[1])
root = write(tmp / "cg", {"cgroup.controllers": "memory", **v2_group(str(GIB))})
read = LightMemory(Settings(cgroup_root=root, cache_dir=tmp, state_dir=tmp), proc(tmp / "proc", "0::/\\n"))
dog, victim = Watchdog(read, shm_root=tmp / "none"), Mortal()
assert read().limit_bytes == GIB
stat = (root / "memory.stat").read_text()
(root / "memory.stat").write_text(stat.replace(f"anon {300 * MIB}", f"anon {960 * MIB}"))
(root / "memory.current").write_text(str(GIB))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
dog.start()
with dog.watch("a") as job:
    until(lambda: not dog.status().sees)
    for one in held:
        os.close(one)
    until(lambda: dog.status().sees)
    job.attach(victim)
    until(lambda: victim.kills)
dog.stop()
print(victim.kills > 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_without_a_descriptor_left_it_says_so_and_goes_on_when_there_is_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
