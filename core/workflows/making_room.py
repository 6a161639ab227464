"""Making room: what the app could give back for a step, by itself and with a person's help; and the door of a command.

Counts; evicts and clears nothing. What eviction would free is no help to offer: the door counts it as free already.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from core.hub.cache import Cache
from core.resources.budget import Help
from core.resources.guard import own_guard
from core.resources.memory import MB
from core.segmentation.kept import Results
from core.settings import Settings
from core.workflows.guarded import Visit

T = TypeVar("T")
FRESH_S = 2.0  # a count is believed for so long,
SHARE = 0.05  # or until counting takes no more than this part of the time
FIRST_S = 0.5  # how long the first who asks waits for the count
IN_RAM = frozenset({"tmpfs", "ramfs"})


class Counted(Generic[T]):
    """Called, it says what was counted last. Safe to use from several threads.

    Counted in the background, since a large cache takes its time: nobody waits for it long.

    Args:
        unknown: the answer until the first count is there.
        patient: who finds the count old waits FIRST_S for a new one; else only the very first who asks does.
    """

    def __init__(
        self, count: Callable[[], T], unknown: T, patient: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._known, self._patient, self._clock = count, unknown, patient, clock
        self._lock, self._counted = threading.Lock(), threading.Event()
        self._until, self._counting = float("-inf"), False

    def __call__(self) -> T:
        """The last count; a new one begins when it is old."""
        with self._lock:
            begin = not self._counting and self._clock() >= self._until
            self._counting = self._counting or begin
            if begin and self._patient:
                self._counted.clear()
        if begin:
            threading.Thread(target=self._count, name="count", daemon=True).start()
        if begin or not self._patient:
            self._counted.wait(FIRST_S)
        return self._known

    def _count(self) -> None:
        begun = self._clock()
        try:
            self._known = self._ask()
        finally:
            now = self._clock()
            with self._lock:
                self._until, self._counting = now + max(FRESH_S, (now - begun) / SHARE), False
            self._counted.set()


class Spare(Counted[int]):
    """How many bytes of the cache eviction could free; 0 until that is known."""

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(lambda: cache.spare_bytes()[0], 0, clock=clock)


class Offers(Counted[tuple[Help, ...]]):
    """What people could do to make room, for the screen: nobody's page waits while a large cache is walked."""

    def __init__(self, cache: Cache, results: Results, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(lambda: offers(cache, results), (), patient=True, clock=clock)


@contextmanager
def visiting(settings: Settings, say: Callable[[str], None]) -> Iterator[Visit]:
    """A command at a door of its own, which lasts as long as the block; `say` is told what it waits for."""
    with own_guard(settings, Spare(Cache(settings.cache_dir))) as guard:
        yield Visit(guard, waiting=lambda sentence: say(f"waiting: {sentence}") if sentence else None)


def offers(cache: Cache, results: Results, proc_root: Path = Path("/proc")) -> tuple[Help, ...]:
    """What people could do to make room, as things stand."""
    spare, held = cache.spare_bytes()
    kept = sum(entry.bytes for entry in results.entries())
    return helps(spare, held, kept, lies_in_ram(cache.root, proc_root))


def helps(spare: int, held: int, results: int, in_ram: bool) -> tuple[Help, ...]:
    """The offers that are true. Pure; bytes.

    Args:
        spare: of the cache, that nobody uses.
        held: of the cache, that open cases and running steps use.
        results: finished segmentations that are kept.
        in_ram: the cache's file system is RAM: clearing it frees that too.
    """
    close, remove = "close the open cases", "clear the kept segmentations"
    found = [Help(close, "disk", held / MB), Help(remove, "disk", results / MB)]
    if in_ram:
        found += [Help("clear the cache", "RAM", spare / MB), Help(remove, "RAM", results / MB)]
    return tuple(one for one in found if one.mb > 0)


def lies_in_ram(path: Path, proc_root: Path = Path("/proc")) -> bool:
    """Whether a folder's file system is RAM, so that its files count as used memory."""
    try:
        lines = (proc_root / "self" / "mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        words, types = before.split(), after.split()
        if len(words) < 5 or not types:
            continue
        mount = Path(words[4].replace("\\040", " "))
        if path.absolute().is_relative_to(mount) and len(mount.parts) >= best:  # a later mount hides an earlier one
            best, kind = len(mount.parts), types[0]
    return kind in IN_RAM
