"""Building: every image and value arrives, a second run does nothing, and whatever is spoiled meanwhile is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.errors import DiskFull, PublishCancelled, PublishError, ShardDamaged, SourceChanged
from core.publish.build import Progress, build
from core.publish.plan import Plan, make_plan
from core.publish.rows import Row
from core.publish.staging import begin
from core.publish.view import look
from tests.publish.staged import MAKERS, REPO, REVISION, built, contents, noise, plan_of


def cells(row: Row, root: Path) -> dict[str, object]:
    """The row as it should come back from Parquet, images as lists of (name, bytes)."""
    images = {
        name: [(file.name, (root / file.path).read_bytes()) for file in files] for name, files in row.files.items()
    }
    return {**row.values, **images}


def as_cells(found: dict[str, Any]) -> dict[str, object]:
    return {
        name: _images(value) if value is None or isinstance(value, dict | list) else value
        for name, value in found.items()
    }


def _images(value: Any) -> object:
    held = value if isinstance(value, list) else [value] if value else []
    return [(one["path"], one["bytes"]) for one in held]


@pytest.mark.parametrize("schema", sorted(MAKERS))
def test_every_image_and_value_is_in_the_shards(tmp_path: Path, schema: str) -> None:
    plan = plan_of(tmp_path, schema)
    done = built(plan, tmp_path / "staging")
    assert done.made == tuple(range(len(plan.shards))) and not done.again
    for shard in plan.shards:
        listed = pq.read_table(tmp_path / "staging" / shard.name).to_pylist()
        for row, found in zip(shard.rows, listed, strict=True):
            wanted = cells(row, plan.root)
            scalars = {column.name for column in plan.schema.scalars}
            got = as_cells({name: value for name, value in found.items() if name not in scalars})
            assert {**got, **{name: found[name] for name in scalars}} == wanted


def three(root: Path, size: int = 2000) -> Plan:
    """Three shards of noise."""
    return make_plan(noise(root / "source", 3, size), one_row_per_shard=True)


def test_the_record_says_what_lies_there(tmp_path: Path) -> None:
    plan = three(tmp_path)
    built(plan, tmp_path / "staging")
    view = look(tmp_path / "staging")
    assert contents(view.folder) == {Path(shard.name).name: shard.sha256 for shard in view.shards}
    for shard, planned in zip(view.shards, plan.shards, strict=True):
        assert shard.state == "built" and shard.bytes == view.place(shard.index).stat().st_size <= planned.bytes
        assert shard.rows == tuple(row.row_id for row in planned.rows) and len(shard.sums) == len(planned.files)


def test_a_second_run_builds_nothing_and_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    plan = three(tmp_path)
    built(plan, tmp_path / "one")
    before = contents(tmp_path / "one")
    assert built(plan, tmp_path / "one").made == ()
    built(plan, tmp_path / "two")
    assert contents(tmp_path / "one") == before == contents(tmp_path / "two")


def spoil_cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def spoil_bit(path: Path) -> None:
    data, stat = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def spoil_all(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [spoil_cut, spoil_bit, spoil_all, Path.unlink])
def test_a_spoiled_shard_is_found_and_built_again(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    plan = three(tmp_path)
    built(plan, tmp_path / "staging")
    before = contents(tmp_path / "staging")
    spoil(tmp_path / "staging" / plan.shards[1].name)
    done = built(plan, tmp_path / "staging")
    assert done.made == done.again == (1,) and contents(tmp_path / "staging") == before


def test_a_shard_that_was_only_sent_is_built_again_when_it_is_gone(tmp_path: Path) -> None:
    plan = three(tmp_path)
    built(plan, tmp_path / "staging")
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        staging.sent([0, 1])
        staging.view.place(0).unlink()
        assert build(plan, staging).made == (0,) and staging[1].state == "sent"


def test_a_shard_that_is_proven_and_gone_is_not_built_again(tmp_path: Path) -> None:
    plan = three(tmp_path)
    built(plan, tmp_path / "staging")
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        staging.proven({at: (staging[at].bytes, staging[at].sha256) for at in (0, 2)})
        staging.free(0)
        staging.view.place(2).unlink()  # killed between the deletion and its record
        assert build(plan, staging).made == ()
        assert [shard.state for shard in staging.view.shards] == ["freed", "built", "proven"]


def test_a_full_disk_says_how_much_is_missing_and_the_next_run_goes_on(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 4, 3_000_000), one_row_per_shard=True)
    left = [24_000_000]

    def room(folder: Path) -> int:
        here = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
        return left[0] - here

    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        with pytest.raises(DiskFull, match=r"needs 14 MB .* 12 MB is free") as caught:
            build(plan, staging, room=room)
        assert "free 2.4 MB or more" in caught.value.hint
        assert staging.view.counts()["built"] == 2
        left[0] = 100_000_000
        assert build(plan, staging, room=room).made == (2, 3)


def test_stopping_keeps_what_was_built(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 5, 2_000_000), one_row_per_shard=True)
    told: list[Progress] = []
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        with pytest.raises(PublishCancelled):
            build(plan, staging, told.append, lambda: bool(told) and told[-1].done == 2)
        assert staging.view.counts()["built"] == 2
        assert sorted(path.name for path in (tmp_path / "staging" / "data").iterdir()) == [
            Path(plan.shards[at].name).name for at in (0, 1)
        ]
        assert build(plan, staging, told.append).made == (2, 3, 4)


def test_progress_counts_every_byte_twice_and_never_goes_back(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 3, 3_000_000), one_row_per_shard=True)
    told: list[Progress] = []
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        build(plan, staging, told.append)
    works = [one.work for one in told]
    assert works == sorted(works) and 0.98 * 2 * plan.bytes < works[-1] <= told[-1].works
    assert (told[-1].done, told[-1].shards) == (3, 3)


@pytest.mark.parametrize("times", [1, 99])
def test_a_disk_that_keeps_other_bytes_is_found_when_the_shard_is_read_back(tmp_path: Path, times: int) -> None:
    plan = make_plan(noise(tmp_path / "source", 1, 3_000_000, images=1), one_row_per_shard=True)
    place, left, works = tmp_path / "staging" / plan.shards[0].name, [times], [0]
    part = place.with_name(f".{place.name}.part")

    def spoil(progress: Progress) -> None:
        """Once all is copied, and the first megabyte is read back, change what comes later."""
        works.append(progress.work)
        if left[0] and part.exists() and part.stat().st_size > 3_000_000 and works[-1] > works[-2]:
            left[0] -= 1
            with part.open("r+b") as file:
                file.seek(2_500_000)
                file.write(b"spoiled")

    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        if times == 1:
            assert build(plan, staging, spoil).made == (0,) and left == [0]
            assert pq.read_table(place)["i0"][0]["bytes"].as_py() == (plan.root / "0/0.nii.gz").read_bytes()
        else:
            with pytest.raises(ShardDamaged):
                build(plan, staging, spoil)
            assert staging[0].state == "planned" and not list(place.parent.iterdir())


def test_only_the_shards_asked_for_are_built(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 5), one_row_per_shard=True)
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        assert build(plan, staging, only=[3, 1]).made == (1, 3)


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def newer(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("change", [grown, newer, lambda path: os.truncate(path, 5)])
def test_a_source_that_changes_while_it_is_built_stops_the_build(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    plan = make_plan(noise(tmp_path / "source", 3), one_row_per_shard=True)
    change(plan.root / plan.shards[1].files[0].path)
    with begin(tmp_path / "staging", plan, REPO, REVISION) as staging:
        with pytest.raises(SourceChanged, match=r"1/0\.nii\.gz changed"):
            build(plan, staging)
        assert staging.view.counts()["built"] == 1
        assert [path.name for path in (tmp_path / "staging" / "data").iterdir()] == [Path(plan.shards[0].name).name]


def test_a_source_that_is_gone_stops_the_build(tmp_path: Path) -> None:
    plan = make_plan(noise(tmp_path / "source", 2), one_row_per_shard=True)
    (plan.root / plan.shards[1].files[1].path).unlink()
    with pytest.raises(PublishError, match="cannot be read"):
        built(plan, tmp_path / "staging")


def test_nothing_else_in_the_folder_is_touched(tmp_path: Path) -> None:
    plan: Plan = make_plan(noise(tmp_path / "source", 2), one_row_per_shard=True)
    built(plan, tmp_path / "staging")
    mine = tmp_path / "staging" / "data" / ".somebody-elses.part"
    mine.write_bytes(b"mine")
    torn = tmp_path / "staging" / "data" / f".{Path(plan.shards[0].name).name}.part"
    torn.write_bytes(b"torn")
    built(plan, tmp_path / "staging")
    assert mine.exists() and not torn.exists()
