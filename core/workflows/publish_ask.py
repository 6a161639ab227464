"""Publish ask: what is to be published, from where to where, and how. Frozen values; does nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadPlan, BadSource
from core.hub.client import check_repo, check_revision, is_commit
from core.publish.plan import LIMIT
from core.publish.tree import Tree
from core.publish.validate import Options as Validation

HOUR_S = 3600.0
PATIENCE_S = 12 * HOUR_S
STEP_PATIENCE_S = 600.0  # of a single step, which somebody or a script waits for
_LONGEST_S = 10_000 * HOUR_S
DESPITE = frozenset({"rows-count", "column-count", "image-missing", "grid-differs"})
"""Errors of a validation that a person may override: what is published then is what the source holds, and of nobody
more than before. Whatever tells who somebody is, breaks a licence, or would leave data behind, may not be."""


@dataclass(frozen=True)
class Publication:
    """From where to where.

    Attributes:
        source: the folder. schema: a name in SCHEMAS.
        repo: owner/name of a dataset. revision: a branch of it.
        staging: the folder in which shards are built.
        limit: bytes of a shard that holds several rows.

    Raises:
        BadSource: that is no repository or revision. BadPlan: a commit cannot be written to.
    """

    source: Path
    schema: str
    repo: str
    staging: Path
    revision: str = "main"
    limit: int = LIMIT

    def __post_init__(self) -> None:
        try:
            check_repo(self.repo)
        except BadSource as error:
            raise BadSource(str(error), hint="write it like owner/name") from None
        if is_commit(check_revision(self.revision)):
            raise BadPlan("a commit never changes, so that nothing can be added to it", hint="give a branch")


@dataclass(frozen=True)
class How:
    """How it is done.

    Attributes:
        rolling: free shards as soon as the repository has proven to hold them. window: bytes of shards that lie in the
            staging folder at a time then; None for as many as fit well.
        bandwidth: bytes a second that are sent at most; None for no limit.
        create: make the repository if there is none, private unless `public`.
        replace: send shards in place of others of the same names that the repository holds already.
        licence: to publish under; None for the source's.
        sample, seed, counts: as of validate.Options.
        despite: codes of errors (DESPITE) that do not stop it.
        read_back: shards that are fetched back and compared at the end; None for all.
        patience_s: how long an outage of the network or the Hub is waited for, without one shard more.
        commit_files, commit_bytes: of one commit at most.

    Raises:
        BadPlan: an error that may not be overridden, or a number that cannot be.
    """

    rolling: bool = False
    window: int | None = None
    bandwidth: float | None = None
    create: bool = True
    public: bool = False
    replace: bool = False
    licence: str | None = None
    sample: int | None = None
    seed: int = 0
    counts: bool = True
    despite: frozenset[str] = field(default_factory=frozenset)
    read_back: int | None = 0
    patience_s: float = PATIENCE_S
    commit_files: int = 50
    commit_bytes: int = 20 * 10**9

    def __post_init__(self) -> None:
        if barred := self.despite - DESPITE:
            raise BadPlan(
                f"{', '.join(sorted(barred))} cannot be overridden", hint=f"only {', '.join(sorted(DESPITE))} can"
            )
        if (
            not 0 <= self.patience_s <= _LONGEST_S
            or (self.read_back or 0) < 0
            or min(self.commit_files, self.commit_bytes) < 1
        ):
            raise BadPlan("a limit is not what it can be", hint="leave it out")

    @property
    def validation(self) -> Validation:
        """How the source is validated."""
        return Validation(sample=self.sample, seed=self.seed, counts=self.counts, licence=self.licence)


def fingerprint(tree: Tree, how: How) -> str:
    """A sum of all that a validation depends on: every file's path, size and time, the rows, and what was asked for.

    What was read to the end is part of it: a sample is no validation of the whole.
    """
    asked = [how.licence, how.counts, how.sample, how.seed if how.sample else 0]
    return _sum([asked, tree_sum(tree)])


def tree_sum(tree: Tree) -> str:
    """A sum of the source alone: every file's path, size and time, and the rows."""
    files = [[f.path, f.bytes, f.mtime_ns] for f in (*tree.images, *tree.tables, *tree.loose)]
    values = [[row.row_id, sorted(row.values.items())] for row in tree.rows]
    return _sum([tree.schema.name, tree.licence, files, values])


def _sum(told: object) -> str:
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()
