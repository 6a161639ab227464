"""Validate: a source tree before it is published, every file of it.

Reads each image once, several at a time, in a few MB of memory each; stops at once when asked to. Changes nothing.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from core.errors import BadPlan, PublishCancelled
from core.publish.checks import check_tree
from core.publish.codes import RULES
from core.publish.findings import Trouble, gather
from core.publish.grids import check_masks, same_images
from core.publish.licences import check_licence, licence_to_use
from core.publish.look import Look, Want, look
from core.publish.report import Report
from core.publish.rows import Listing
from core.publish.sidecars import check_sidecars
from core.publish.tree import Tree

_BEAT_S = 0.1  # between two looks at progress and cancel


@dataclass(frozen=True)
class Options:
    """How to validate.

    Attributes:
        sample: images to read to the end; None is all. Every header is read in any case.
        seed: which images the sample takes.
        counts: whether the tree is the whole dataset, so that its numbers must be right.
        licence: to publish under; None is the source's.
        workers: images read at a time, 70 MB each where they are large heads.
    """

    sample: int | None = None
    seed: int = 0
    counts: bool = True
    licence: str | None = None
    workers: int = 2


@dataclass(frozen=True)
class Progress:
    """How far a validation is: bytes on disk that are to be read to the end, and files."""

    bytes: int
    total_bytes: int
    files: int
    total_files: int


def quiet(_: Progress) -> None:
    """Tells nobody."""


def never() -> bool:
    """Goes on."""
    return False


def validate(
    tree: Tree,
    options: Options | None = None,
    progress: Callable[[Progress], None] = quiet,
    cancelled: Callable[[], bool] = never,
) -> Report:
    """Check the tree.

    Args:
        progress: called from this thread, ten times a second at most, and once at the end.
        cancelled: asked from this thread as often.

    Raises:
        PublishCancelled: `cancelled` said so. BadPlan: options that cannot be.
    """
    options = options or Options()
    if options.workers < 1 or (options.sample is not None and options.sample < 0):
        raise BadPlan("a validation needs a worker, and a sample cannot be negative", hint="leave both out")
    wants = choose(tree, options.sample, options.seed)
    looks = _look_at(tree, wants, options.workers, progress, cancelled)
    whole = sum(want.whole for want in wants)
    licence = licence_to_use(options.licence, tree.schema.licence, tree.licence)
    found = [
        *check_tree(tree, options.counts),
        *_seen(tree, looks),
        *check_licence(licence, tree.schema.licence, tree.licence),
        *check_sidecars(Listing(tree.root, {file.path: file for file in tree.loose}), lambda: _stop_if(cancelled())),
    ]
    if whole < len(wants):
        found.append(Trouble("sampled", "", f"{whole} of {len(wants)}"))
    return Report(
        schema=tree.schema.name,
        folder=tree.root.name,
        licence=licence,
        subjects=len({row.values["subject_id"] for row in tree.rows}),
        rows=len(tree.rows),
        images=len(wants),
        bytes=tree.bytes,
        columns=_columns(tree),
        read=whole,
        findings=gather(found, RULES),
    )


def choose(tree: Tree, sample: int | None, seed: int) -> tuple[Want, ...]:
    """What to read of each image: all, or `sample` of them to the end, spread over the columns."""
    columns = {c.name: [(f, c.head) for row in tree.rows for f in row.files[c.name]] for c in tree.schema.images}
    chosen: set[str] | None = None
    if sample is not None:
        draw = random.Random(seed)
        shuffled = [draw.sample(files, len(files)) for files in columns.values() if files]
        most = max(map(len, shuffled), default=0)
        turns = [files[at][0].path for at in range(most) for files in shuffled if at < len(files)]
        chosen = set(turns[:sample])
    return tuple(
        Want(file, chosen is None or file.path in chosen, head) for files in columns.values() for file, head in files
    )


class _Counter:
    """Bytes and files done, counted by many threads; raises in them once they are to stop."""

    def __init__(self, wants: tuple[Want, ...]) -> None:
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._bytes, self._files = 0, 0
        self._total, self._count = sum(want.file.bytes for want in wants if want.whole), len(wants)

    def passed(self, want: Want, count: int) -> None:
        _stop_if(self.stop.is_set())
        with self._lock:
            self._bytes += count if want.whole else 0

    def done(self) -> None:
        with self._lock:
            self._files += 1

    def progress(self) -> Progress:
        with self._lock:
            return Progress(min(self._bytes, self._total), self._total, self._files, self._count)


def _look_at(
    tree: Tree,
    wants: tuple[Want, ...],
    workers: int,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> dict[str, Look]:
    counter = _Counter(wants)

    def one(want: Want) -> Look:
        _stop_if(counter.stop.is_set())
        seen = look(tree.root / want.file.path, want, lambda count: counter.passed(want, count))
        counter.done()
        return seen

    pool = ThreadPoolExecutor(workers, thread_name_prefix="validate")
    try:
        futures = [pool.submit(one, want) for want in wants]
        left = set(futures)
        while left:
            _stop_if(cancelled())
            done, left = wait(left, _BEAT_S, FIRST_EXCEPTION)
            for future in done:
                future.result()  # raises at once what ended it
            progress(counter.progress())
        return {want.file.path: future.result() for want, future in zip(wants, futures, strict=True)}
    finally:
        counter.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _seen(tree: Tree, looks: dict[str, Look]) -> list[Trouble]:
    """What the images themselves brought to light, alone and together."""
    found = [one for seen in looks.values() for one in seen.troubles]
    for row in tree.rows:
        found += check_masks(row, tree.schema, looks)
    return found + same_images(tree.rows, tree.schema, looks)


def _columns(tree: Tree) -> tuple[tuple[str, str, int], ...]:
    images = {c.name: sum(bool(row.files[c.name]) for row in tree.rows) for c in tree.schema.images}
    values = {c.name: sum(row.values[c.name] is not None for row in tree.rows) for c in tree.schema.scalars}
    counts = images | values
    return tuple((column.name, column.kind, counts[column.name]) for column in tree.schema.columns)


def _stop_if(stopped: bool) -> None:
    if stopped:
        raise PublishCancelled("the validation was stopped", hint="start it again when you like; nothing was changed")
