"""Small source trees, their plans and what a shard should hold: shared by the tests of building and staging."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from core.publish.build import Built, build
from core.publish.plan import LIMIT, Plan, make_plan
from core.publish.rows import FileRef, Row
from core.publish.schema import Column, Schema, schema_named
from core.publish.staging import begin
from core.publish.tree import Tree, scan
from tests.publish import trees

REPO, REVISION = "owner/name", "main"
MAKERS: dict[str, Callable[[Path], Path]] = {"isles24": trees.isles24, "arc": trees.arc, "bids": trees.bids}


def tree_of(root: Path, schema: str) -> Tree:
    """A small tree of that schema in a folder with an awkward name."""
    return scan(MAKERS[schema](root / trees.AWKWARD), schema_named(schema))


def plan_of(root: Path, schema: str, limit: int = LIMIT) -> Plan:
    """Its plan."""
    return make_plan(tree_of(root, schema), limit)


def noise(root: Path, rows: int, size: int = 2000, images: int = 2) -> Tree:
    """A tree of files that are no images: rows of so many of so many bytes, and one scalar."""
    schema = noise_schema(images)
    made = []
    for number in range(rows):
        files = {
            f"i{at}": (noise_file(root, f"{number}/{at}.nii.gz", size, 100 * number + at),) for at in range(images)
        }
        made.append(Row(f"row{number}", files, {"id": f"row{number}"}))
    return Tree(root, schema, tuple(made))


def noise_schema(images: int = 2) -> Schema:
    """Columns of a tree of noise."""
    columns = (Column("id", "string"), *(Column(f"i{at}", "image") for at in range(images)))
    return Schema("bids", columns, one_row_per_shard=False)


def noise_file(root: Path, path: str, size: int, seed: int = 0) -> FileRef:
    """A file of deterministic bytes."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    block = hashlib.shake_256(str(seed).encode()).digest(min(size, 2**16))
    with place.open("wb") as file:
        left = size
        while left:
            left -= file.write(block[: min(left, len(block))])
    return ref_of(root, path)


def ref_of(root: Path, path: str) -> FileRef:
    """The file as a scan would see it now."""
    found = (root / path).stat()
    return FileRef(path, found.st_size, found.st_mtime_ns)


def built(plan: Plan, folder: Path) -> Built:
    """Build all of it, as a run of its own."""
    with begin(folder, plan, REPO, REVISION) as staging:
        return build(plan, staging)


def contents(folder: Path) -> dict[str, str]:
    """Every shard in a staging folder by its name: its sum."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "data").iterdir())}
