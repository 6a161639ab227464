"""Records: what a staging folder knows of its dataset and of each shard, and how that lies in its journal.

Frozen values and the rules by which one line follows from another. Reads and writes no file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from core.errors import StagingDamaged
from core.publish.columns import Layout, lay_out
from core.publish.journal import Entry
from core.publish.plan import Plan, ShardPlan
from core.publish.rows import FileRef
from core.publish.schema import Column, Schema, features

VERSION = 1
State = Literal["planned", "built", "sent", "proven", "freed"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Identity:
    """What a staging folder is for. A folder is gone on with only if all of it is the same.

    Attributes:
        schema: its name and a sum of its columns.
        shards: how many.
        rows: sum of which rows are in which shard.
    """

    repo: str
    revision: str
    schema: str
    shards: int
    rows: str

    def fingerprint(self) -> str:
        """One line for a person, and for comparing two of them."""
        return f"{self.repo}@{self.revision}, schema {self.schema}, {self.shards} shards, rows {self.rows}"


@dataclass(frozen=True)
class ShardRecord:
    """One shard as the journal knows it.

    Attributes:
        name: its path in the repository and in the staging folder.
        rows: ids.
        key: of its plan (ShardPlan.key).
        files: of the source, as they lie in it, with the times at which they were last written.
        sums: sha256 of those files' bytes; empty until it is built.
        expected_bytes: before it is built.
        bytes, sha256: of the shard; 0 and "" until it is built.
    """

    index: int
    name: str
    rows: tuple[str, ...]
    key: str
    files: tuple[FileRef, ...]
    expected_bytes: int
    state: State = "planned"
    sums: tuple[str, ...] = ()
    bytes: int = 0
    sha256: str = ""

    @property
    def is_made(self) -> bool:
        """Whether it is built, or was."""
        return self.state != "planned"

    @property
    def is_remote(self) -> bool:
        """Whether the remote was told to hold it."""
        return self.state in ("sent", "proven", "freed")


@dataclass(frozen=True)
class Header:
    """The journal's first line: whose folder it is, and all that is needed to go on without the source."""

    identity: Identity
    schema: Schema
    root: Path

    @property
    def layout(self) -> Layout:
        """How the dataset's columns are written."""
        return lay_out(features(self.schema))


def identify(plan: Plan, repo: str, revision: str) -> Identity:
    """What a staging folder for this plan is for."""
    columns = _short(json.dumps([features(plan.schema), plan.schema.split]))
    rows = _short(json.dumps([[row.row_id for row in shard.rows] for shard in plan.shards]))
    return Identity(repo, revision, f"{plan.schema.name} {columns}", len(plan.shards), rows)


def source_fingerprint(shards: Sequence[ShardRecord]) -> str:
    """A sum of the source's paths, sizes and times, as far as shards are made of them."""
    return _short(json.dumps([[shard.key, [dataclasses.astuple(file) for file in shard.files]] for shard in shards]))


def planned(shard: ShardPlan) -> ShardRecord:
    """A shard of which nothing is done yet."""
    rows = tuple(row.row_id for row in shard.rows)
    return ShardRecord(shard.index, shard.name, rows, shard.key, shard.files, shard.bytes)


def header_entry(header: Header) -> Entry:
    """The first line."""
    return {
        "staging": VERSION,
        "identity": dataclasses.asdict(header.identity),
        "schema": dataclasses.asdict(header.schema),
        "root": str(header.root),
    }


def read_header(entry: Entry | None) -> Header:
    """The first line, read. Raises StagingDamaged."""
    try:
        if entry is None or entry.get("staging") != VERSION:
            raise TypeError
        identity, schema = entry["identity"], entry["schema"]
        if not isinstance(identity, dict) or not isinstance(schema, dict):
            raise TypeError
        columns = tuple(Column(**{**column, "like": tuple(column["like"])}) for column in schema["columns"])
        whole = Schema(**{**schema, "columns": columns, "cite": tuple(schema["cite"])})
        return Header(Identity(**identity), whole, Path(str(entry["root"])))
    except (LookupError, TypeError):
        raise unreadable() from None


def plan_entry(shard: ShardRecord) -> Entry:
    """The line of a shard that is (again) only planned."""
    files = [[file.path, file.bytes, file.mtime_ns] for file in shard.files]
    told = {"name": shard.name, "rows": shard.rows, "key": shard.key, "files": files, "bytes": shard.expected_bytes}
    return {"shard": shard.index, "state": "planned", "plan": told}


def state_entry(shard: ShardRecord, whole: bool = False) -> Entry:
    """The line of a shard that is built or more; it says which bytes it speaks of.

    Args:
        whole: say what is known of the source's files as well.
    """
    sums = {"sums": shard.sums, "times": [file.mtime_ns for file in shard.files]} if whole else {}
    return {"shard": shard.index, "state": shard.state, "bytes": shard.bytes, "sha256": shard.sha256, **sums}


def apply_entry(shards: dict[int, ShardRecord], entry: Entry) -> None:
    """What one line changes. Raises StagingDamaged for a line that is not one of ours."""
    try:
        index, state = entry["shard"], entry["state"]
        if not isinstance(index, int) or state not in STATES:
            raise TypeError
        told = entry.get("plan")
        if isinstance(told, dict):
            files = tuple(FileRef(str(path), int(size), int(time)) for path, size, time in told["files"])
            rows = tuple(str(row) for row in told["rows"])
            shards[index] = ShardRecord(index, told["name"], rows, told["key"], files, int(told["bytes"]))
            return
        before = shards[index]
        size, sha256 = entry["bytes"], entry["sha256"]
        if not isinstance(size, int) or not isinstance(sha256, str):
            raise TypeError
        files, sums = _sources(before, entry)
        shards[index] = dataclasses.replace(before, state=state, bytes=size, sha256=sha256, files=files, sums=sums)
    except (LookupError, TypeError, ValueError):
        raise unreadable() from None


def _sources(before: ShardRecord, entry: Entry) -> tuple[tuple[FileRef, ...], tuple[str, ...]]:
    """The source's files with their times and sums, if the line tells them; otherwise as before."""
    sums, times = entry.get("sums"), entry.get("times")
    if not isinstance(sums, list) or not isinstance(times, list):
        return before.files, before.sums
    if len(sums) != len(before.files) or len(times) != len(before.files):
        raise TypeError
    files = (dataclasses.replace(file, mtime_ns=int(time)) for file, time in zip(before.files, times, strict=True))
    return tuple(files), tuple(str(one) for one in sums)


def unreadable() -> StagingDamaged:
    return StagingDamaged(
        "the staging folder's record cannot be read",
        hint="keep the folder, and publish from a new one: what the repository already holds is not sent again",
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
