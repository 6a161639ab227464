"""Publish beats: tells a publisher's progress: to its staging folder at most once a second, and to whoever runs it.

Makes one kind of progress of the three that validating, building and sending tell. Measures nothing but time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.errors import PublishCancelled, StrokescopeError
from core.publish.build import Doing as Builds
from core.publish.build import Progress as Building
from core.publish.sending import Doing as Sends
from core.publish.sending import Progress as Sending
from core.publish.validate import Progress as Validating
from core.publish.verify import Progress as Verifying
from core.publish.view import View
from core.resources.pids import born_of
from core.workflows.publish_progress import Phase, Progress, write_progress

Tell = Callable[[Progress], None]
EVERY_S = 1.0
WINDOW_S = 300.0  # over which a rate is taken: a turn of building and sending is shorter
STOPPED = "stopped by you"
AGAIN = "run it again to go on"
_WORDS: dict[Builds, str] = {
    "comparing": "comparing the source with what was planned",
    "checking": "summing what was built before",
    "building": "building",
}
_SENDS: dict[Sends, str] = {
    "asking": "asking the Hub whether we may write",
    "comparing": "comparing with what the repository holds",
    "sending": "sending",
    "committing": "waiting for the Hub to take a commit",
    "waiting": "waiting",
    "card": "bringing the card up to date",
    "reading": "reading back what was sent",
}


def quiet(_: Progress) -> None:
    """Tells nobody."""


class Rate:
    """Bytes a second of the last minutes; a step back begins anew."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, now: float, at: int) -> float:
        """The rate, after so many bytes in all."""
        if self._seen and at < self._seen[-1][1]:
            self._seen.clear()
        if not self._seen or now - self._seen[-1][0] >= self._window_s / 60:
            self._seen.append((now, at))
        while len(self._seen) > 1 and now - self._seen[0][0] > self._window_s:
            self._seen.popleft()
        seconds = now - self._seen[0][0]
        return (at - self._seen[0][1]) / seconds if seconds > 0 else 0.0


class Beats:
    """One publisher's progress. Shared by threads.

    Args:
        path: of a file to write; None for none yet.
        tell: called at every beat as well.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path | None, tell: Tell = quiet, clock: Callable[[], float] = time.time) -> None:
        self._paths, self._tell, self._clock = [path] if path else [], tell, clock
        self._lock, self._rate = threading.RLock(), Rate()
        now = clock()
        who = (os.getpid(), born_of(os.getpid()))
        self._now = Progress(*who, "plan", "plan", message="starting", began=now, updated=now)
        self._written, self._is_new = 0.0, False

    @property
    def now(self) -> Progress:
        """What was told last."""
        return self._now

    @contextmanager
    def into(self, path: Path) -> Iterator[None]:
        """Write to this file as well inside the block, the end included."""
        with self._lock:
            self._paths.append(path)
            write_progress(path, self._now)
        try:
            with _ending(self):
                yield
        finally:
            with self._lock:
                self._paths.remove(path)

    def step(self, phase: Phase, message: str) -> None:
        """The next step of the work begins."""
        with self._lock:
            self._rate = Rate()
            fresh = Progress(self._now.pid, self._now.born, phase, phase, message=message, began=self._now.began)
            self._beat(fresh, at_once=True)

    def note(self, message: str) -> None:
        """The same step, in other words."""
        with self._lock:
            self._beat(replace(self._now, message=message), at_once=True)

    def validating(self, seen: Validating) -> None:
        """Of validate.validate."""
        counts = (seen.files, seen.total_files, "files", seen.bytes, seen.total_bytes)
        self._count("validate", counts, "checking every file of the source")

    def building(self, seen: Building) -> None:
        """Of build.build."""
        said = f"{_WORDS[seen.doing]} shard {seen.shard + 1} of {seen.shards}"
        self._count("build", (seen.done, seen.shards, "shards", seen.work, seen.works), said)

    def sending(self, seen: Sending) -> None:
        """Of upload.upload and finish.finish."""
        step: Phase = "card" if seen.doing == "card" or self._now.step == "card" else "upload"
        counts = (seen.proven, seen.shards, "shards", seen.bytes, seen.total)
        self._count(step, counts, seen.note or _SENDS[seen.doing], rest_s=seen.rest_s, rate=seen.rate)

    def rolling(self, look: Callable[[], View]) -> Callable[[Building | Sending], None]:
        """Of rolling.roll, which builds and sends by turns: counts what is proven of the whole."""

        def tell(seen: Building | Sending) -> None:
            if not self._is_due() and not (isinstance(seen, Sending) and seen.rest_s is not None):
                return
            shards = look().shards
            done = [shard for shard in shards if shard.state in ("proven", "freed")]
            total = sum(shard.bytes or shard.expected_bytes for shard in shards)
            counts = (len(done), len(shards), "shards", sum(shard.bytes for shard in done), total)
            if isinstance(seen, Sending):
                self._count("upload", counts, seen.note or _SENDS[seen.doing], rest_s=seen.rest_s)
            else:
                self._count("build", counts, f"{_WORDS[seen.doing]} shard {seen.shard + 1} of {len(shards)}")

        return tell

    def verifying(self, seen: Verifying) -> None:
        """Of verify.verify."""
        said = f"reading back {seen.shard}" if seen.shard else "looking at what the repository holds"
        counts = (seen.done, seen.shards, "shards", seen.bytes, seen.total)
        self._count("verify", counts, seen.note or said, rest_s=seen.rest_s)

    def waiting(self, message: str, seconds: float) -> None:
        """Something outside does not answer; it is asked again in so many seconds."""
        with self._lock:
            until = self._clock() + seconds
            now = replace(self._now, phase="waiting", message=message, hint="", until=until, seconds_left=None)
            self._beat(now, at_once=self._now.phase != "waiting")

    def end(self, phase: Phase, message: str, hint: str = "") -> None:
        """It ended."""
        with self._lock:
            ended = replace(self._now, phase=phase, message=message, hint=hint, until=None, seconds_left=None, rate=0.0)
            if phase == "done":
                ended = replace(ended, done=ended.total, bytes=ended.total_bytes)
            self._beat(ended, at_once=True)

    def _count(
        self,
        step: Phase,
        counts: tuple[int, int, str, int, int],
        message: str,
        rest_s: float | None = None,
        rate: float | None = None,
    ) -> None:
        done, total, unit, count, of = counts
        with self._lock:
            at = self._clock()
            found = self._rate(at, count) if rate is None else rate
            left = max(0, of - count) / found if found > 0 and of else None
            phase: Phase = step if rest_s is None else "waiting"
            until = None if rest_s is None else at + rest_s
            now = replace(self._now, phase=phase, step=step, done=done, total=total, unit=unit, bytes=count)
            now = replace(now, total_bytes=of, rate=found, seconds_left=left, message=message, hint="", until=until)
            self._beat(now, at_once=phase != self._now.phase)

    def _is_due(self) -> bool:
        return not 0 <= self._clock() - self._written < EVERY_S

    def _beat(self, now: Progress, at_once: bool = False) -> None:
        self._now, self._is_new = replace(now, updated=self._clock()), True
        if at_once or self._is_due():
            self.flush()

    def flush(self) -> None:
        """Tell what was not told yet."""
        with self._lock:
            if not self._is_new:
                return
            self._is_new, self._written = False, self._clock()
            for path in self._paths:
                write_progress(path, self._now)
            self._tell(self._now)


@contextmanager
def told(path: Path | None, tell: Tell, clock: Callable[[], float] = time.time) -> Iterator[Beats]:
    """Beats inside the block; how it ended is told, unless it ended well.

    A death without a word is none of ours to tell: the process number in the file does.
    """
    beats, over = Beats(path, tell, clock), threading.Event()
    thread = threading.Thread(target=_go_on, args=(beats, over), name="publish-beats", daemon=True)
    thread.start()
    try:
        with _ending(beats):
            yield beats
    finally:
        over.set()
        thread.join()


def _go_on(beats: Beats, over: threading.Event) -> None:
    """What came less than a second after something else is told too, also when nothing follows for long."""
    while not over.wait(EVERY_S):
        beats.flush()


@contextmanager
def _ending(beats: Beats) -> Iterator[None]:
    try:
        yield
    except (PublishCancelled, KeyboardInterrupt):
        if not beats.now.ended:
            beats.end("stopped", STOPPED, AGAIN)
        raise
    except StrokescopeError as error:
        if not beats.now.ended:
            beats.end("failed", str(error), error.hint)
        raise
