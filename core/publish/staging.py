"""Staging: a folder of shards on their way to a repository, and the record of how far each of them is.

planned -> built -> sent -> proven -> freed. Every step is on the disk before it counts (journal.py), one publisher
works in a folder at a time (lock.py), and a folder that was begun for something else is refused. Deletes nothing but
its own unfinished files, and a shard in `free` that the remote has proven to hold. Builds and sends nothing.
"""

from __future__ import annotations

import dataclasses
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from core.errors import BadPlan, NotProven, StagingForeign
from core.publish import lock
from core.publish.foreign import foreign
from core.publish.journal import Entry, Journal, create_journal
from core.publish.plan import Plan, ShardPlan
from core.publish.records import (
    Header,
    Identity,
    ShardRecord,
    State,
    header_entry,
    identify,
    plan_entry,
    planned,
    state_entry,
)
from core.publish.room import Room, free_bytes, unwritable
from core.publish.rows import FileRef
from core.publish.shard import Made, part_of
from core.publish.view import ALTERED, MANIFEST, ROOT, View, look, look_closely

PAPERS = ("validation.json", "validation.md")  # what a validation leaves for the steps that follow
_RECORD_BYTES = 2**20  # that a line may need; for the message of a full disk


@contextmanager
def begin(
    folder: Path, plan: Plan, repo: str, revision: str, room: Room = free_bytes, *, renew: bool = False
) -> Iterator[Staging]:
    """Make a staging folder for a plan, or go on with the one that was made for it; it is ours inside the block.

    Args:
        renew: one that was made for another plan of the same dataset, and in which nothing was built, is made anew.

    Raises:
        StagingForeign: it was made for something else, or holds files that are not ours.
        StagingBusy: another publisher works in it. StagingDamaged, DiskFull, PublishError.
        BadPlan: it lies inside the source.
    """
    folder = folder.expanduser().absolute()
    if plan.root.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise BadPlan("the staging folder lies inside the source", hint="choose a folder beside it")
    header = Header(identify(plan, repo, revision), plan.schema, plan.root)
    with ExitStack() as stack:
        with _writing(folder, room):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.held(folder))
            is_new = not (folder / MANIFEST).exists()
            if is_new:
                check_empty(folder)
            if is_new or (renew and is_renewable(look(folder), header.identity)):
                shards = (plan_entry(planned(shard)) for shard in plan.shards)
                create_journal(folder / MANIFEST, (header_entry(header), *shards))
            staging = stack.enter_context(_opened(folder, room, plan, header.identity))
        if staging.view.root != plan.root:
            staging.note(ROOT, str(plan.root))
        yield staging


@contextmanager
def resume(folder: Path, room: Room = free_bytes) -> Iterator[Staging]:
    """Go on with a staging folder, whatever it was made for; it is ours inside the block.

    Raises:
        StagingForeign: it is no staging folder. StagingBusy, StagingDamaged, DiskFull, PublishError.
    """
    folder = folder.expanduser().absolute()
    look(folder)
    with ExitStack() as stack:
        with _writing(folder, room):
            stack.enter_context(lock.held(folder))
            staging = stack.enter_context(_opened(folder, room))
        yield staging


@contextmanager
def _writing(folder: Path, room: Room) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(error, _RECORD_BYTES, folder, room) from None


@contextmanager
def _opened(folder: Path, room: Room, plan: Plan | None = None, wanted: Identity | None = None) -> Iterator[Staging]:
    view, good = look_closely(folder)
    if plan is not None and wanted is not None and view.identity != wanted:
        raise foreign(view, wanted, plan)
    for leftover in (folder / MANIFEST, *(folder / shard.name for shard in view.shards)):
        with suppress(FileNotFoundError):
            part_of(leftover).unlink()
    journal = Journal(folder / MANIFEST, good)
    try:
        yield Staging(view, journal, room)
    finally:
        journal.close()


def is_renewable(view: View, wanted: Identity) -> bool:
    """Whether a folder was begun for another plan of the same dataset, and nothing was built in it."""
    found = view.identity
    same = (found.repo, found.revision, found.schema.split()[0]) == (
        *(wanted.repo, wanted.revision),
        wanted.schema.split()[0],
    )
    nothing = not view.damaged and all(shard.state == "planned" for shard in view.shards)
    return found != wanted and same and nothing


def check_empty(folder: Path) -> None:
    """Raise StagingForeign if a folder without a record holds what is not ours; a validation may have come first."""
    names = (MANIFEST, *PAPERS)
    ours = {lock.NAME, *PAPERS, *(part_of(Path(name)).name for name in names)}
    if any(found.name not in ours for found in folder.iterdir()):
        raise StagingForeign(
            "the staging folder holds files and no record of ours", hint="choose an empty or a new folder"
        )


class Staging:
    """A staging folder that is ours for now. Safe to use from several threads."""

    def __init__(self, view: View, journal: Journal, room: Room) -> None:
        self._view, self._journal, self._room = view, journal, room
        self._lock = threading.RLock()

    @property
    def view(self) -> View:
        """The folder now."""
        return self._view

    def __getitem__(self, index: int) -> ShardRecord:
        return self._view.shards[index]

    def built(self, index: int, made: Made) -> None:
        """A shard lies at its place.

        Raises:
            DiskFull, PublishError: it could not be recorded.
        """
        sums = tuple(one.sha256 for one in made.sums)
        record = dataclasses.replace(self[index], state="built", bytes=made.bytes, sha256=made.sha256, sums=sums)
        self._keep([record], [state_entry(record, whole=True)])

    def sent(self, indices: Iterable[int]) -> None:
        """Shards were sent, which proves nothing. Raises NotProven for one that is not built; as `built`."""
        self._move(indices, "sent", ("built", "sent"))

    def proven(self, remote: Mapping[int, tuple[int, str]]) -> None:
        """The remote lists shards with these sizes and sha256.

        Raises:
            NotProven: they are not ours; nothing is recorded then. As `built`.
        """
        for index, said in remote.items():
            if said != (self[index].bytes, self[index].sha256):
                raise NotProven(f"{self[index].name} is different in the repository", hint="send it again")
        self._move(remote, "proven", ("built", "sent", "proven", "freed"), keep=("freed",))

    def free(self, index: int) -> int:
        """Delete a shard that the remote has proven to hold; the bytes that this gave.

        Raises:
            NotProven: it has not; the file is untouched.
        """
        with self._lock:
            record, path = self[index], self._view.place(index)
            if record.state not in ("proven", "freed"):
                raise NotProven(f"{record.name} is {record.state}, not proven", hint="verify first")
            if record.state == "proven" and index in self._view.altered:
                raise NotProven(f"{record.name} did not come back as it was sent", hint="verify: it is read back first")
            freed = 0
            with suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    freed = path.lstat().st_size
                    path.unlink()
            self._move([index], "freed", ("proven", "freed"))
            return freed

    def again(self, index: int, shard: ShardPlan | None = None) -> None:
        """A shard must be built (again): it is damaged, or its source changed, or the remote lost what was freed.

        Args:
            shard: its new plan; None for the old one.
        """
        with self._lock:
            old = self[index]
            record = dataclasses.replace(old, state="planned", sums=(), bytes=0, sha256="")
            record = record if shard is None else planned(shard)
            self._keep([record], [plan_entry(record)])

    def unsent(self, index: int) -> None:
        """The remote does not hold a shard that was sent or proven: it is to be sent again, or built again if freed."""
        if self._view.place(index).exists():
            self._move([index], "built", ("built", "sent", "proven", "freed"))
        else:
            self.again(index)

    def came_back(self, index: int, whole: bool) -> None:
        """A shard was read back. One that is not what was sent is neither freed nor taken for good until it is."""
        with self._lock:
            before = self._view.altered
            after = before - {index} if whole else before | {index}
            if after != before:
                self.note(ALTERED, sorted(after))

    def touched(self, index: int, files: Sequence[FileRef]) -> None:
        """The source's files have new times and the bytes that are in the shard."""
        record = dataclasses.replace(self[index], files=tuple(files))
        self._keep([record], [state_entry(record, whole=True)])

    def note(self, name: str, value: object) -> None:
        """Keep something under a name (View.notes), instead of what was there. `value` can be written as JSON."""
        with self._lock:
            with _writing(self._view.folder, self._room):
                self._journal.append([{"note": name, "value": value}])
            self._view = dataclasses.replace(self._view, notes={**self._view.notes, name: value})

    def _move(self, indices: Iterable[int], state: State, allowed: Sequence[State], keep: Sequence[State] = ()) -> None:
        with self._lock:
            records = [self[index] for index in indices]
            for record in records:
                if record.state not in allowed:
                    raise NotProven(f"{record.name} is {record.state}, not {allowed[0]}", hint="build it first")
            moved = [
                dataclasses.replace(record, state=state) for record in records if record.state not in (state, *keep)
            ]
            self._keep(moved, [state_entry(record) for record in moved])

    def _keep(self, records: Sequence[ShardRecord], entries: Sequence[Entry]) -> None:
        """On the disk first, then in mind."""
        if not records:
            return
        with self._lock:
            with _writing(self._view.folder, self._room):
                self._journal.append(entries)
            changed = {record.index: record for record in records}
            shards = tuple(changed.get(shard.index, shard) for shard in self._view.shards)
            self._view = dataclasses.replace(self._view, shards=shards)
