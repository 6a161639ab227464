"""Making room: what the app could give back for a step, by itself and with a person's help; and the door of a command.

Counts; evicts and clears nothing. What eviction would free is no help to offer: the door counts it as free already.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.hub.cache import Cache
from core.resources.budget import Help
from core.resources.guard import own_guard
from core.resources.memory import MB
from core.segmentation.kept import Results
from core.settings import Settings
from core.workflows.guarded import Visit

FRESH_S = 2.0  # a count is believed for so long,
SHARE = 0.05  # or until counting takes no more than this part of the time
FIRST_S = 0.5  # how long the first who asks waits for the count
IN_RAM = frozenset({"tmpfs", "ramfs"})


class Spare:
    """Called, it says how many bytes of the cache eviction could free. Safe to use from several threads.

    Counted in the background, since a large cache takes its time: nobody at the door waits for it but the first, and
    that one not for long. Until it is known the answer is 0.
    """

    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._clock = cache, clock
        self._lock, self._counted = threading.Lock(), threading.Event()
        self._known, self._until, self._counting = 0, float("-inf"), False

    def __call__(self) -> int:
        """The last count; a new one begins when it is old."""
        with self._lock:
            begin = not self._counting and self._clock() >= self._until
            self._counting = self._counting or begin
        if begin:
            threading.Thread(target=self._count, name="spare", daemon=True).start()
        self._counted.wait(FIRST_S)
        return self._known

    def _count(self) -> None:
        begun = self._clock()
        try:
            self._known = self._cache.spare_bytes()[0]
        finally:
            now = self._clock()
            with self._lock:
                self._until, self._counting = now + max(FRESH_S, (now - begun) / SHARE), False
            self._counted.set()


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
