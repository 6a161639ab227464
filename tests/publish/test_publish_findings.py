"""What `publish verify` and the steps after it make of a repository or a source that is not what was published."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotProven, SourceChanged
from core.publish.described import PATH
from core.publish.view import look
from tests.publish import trees
from tests.publish.commands import Owner, owner
from tests.publish.staged import REPO

PART = "--no-counts"
NAME = "data/train-00001-of-00003.parquet"


def large(at: Owner) -> None:
    """An image that makes its shard so large that a look at the shard's end does not see all of it."""
    path = image(at).with_name("sub-stroke0002_ses-01_cta.nii.gz")
    path.write_bytes(trees.packed(trees.image(shape=(70, 70, 40))))


def spoil(at: Owner, path: str) -> None:
    """One byte of a stored shard; the list says what it said."""
    dataset = at.server.datasets[REPO]
    file = dataset.files[path]
    assert isinstance(file.content, bytes) and file.oid
    middle = len(file.content) // 2
    spoilt = file.content[:middle] + bytes([file.content[middle] ^ 1]) + file.content[middle + 1 :]
    dataset.files[path] = type(file)(spoilt, True, file.oid, file.told)
    at.server.writes.objects[file.oid] = spoilt
    dataset.tree = []


def drop(at: Owner, path: str) -> Any:
    dataset = at.server.datasets[REPO]
    dataset.tree = []
    return dataset.files.pop(path)


def verified(at: Owner, *more: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, report, and the last line of stderr."""
    done = at.call("verify", *at.there, *more, "--json")
    assert done.stdout.count("\n") == 1, done.exception
    return done.exit_code, json.loads(done.stdout), done.stderr.splitlines()[-1]


def image(at: Owner, number: int = 2) -> Path:
    return next((at.source / "train" / "raw_data" / f"sub-stroke000{number}").rglob("*_ncct.nii.gz"))


def test_damage_that_was_seen_is_never_forgotten_until_it_is_mended(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        large(at)
        at.answer("run", *at.base, PART)
        spoil(at, NAME)
        code, told, last = verified(at, "--read-back", "all")
        assert (code, told["altered"], told["cleanup"]) == (1, [NAME], None)
        assert "delete" in last and "LFS" in last and "pload again:" not in last
        code, told, _ = verified(at)
        assert (code, told["ok"], told["altered"], told["read_back"]) == (1, False, [NAME], 1)
        error = at.refused("run", *at.base, PART)
        assert isinstance(error, NotProven) and "LFS" in error.hint and at.status.standing == "failed"
        assert look(at.staging).altered == {1} and not at.status.cleanup
        oid = drop(at, NAME).oid
        assert isinstance(at.refused("run", *at.base, PART), NotProven), "without its object it is as damaged as before"
        drop(at, NAME)
        del at.server.writes.objects[oid]
        found = at.answer("run", *at.base, PART)
        assert found["ok"] and found["read_back"] == 1 and not look(at.staging).altered
        assert at.answer("verify", *at.there)["read_back"] == 0 and at.status.cleanup


def test_damage_that_was_seen_is_not_freed(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        large(at)
        at.answer("run", *at.base, PART)
        spoil(at, NAME)
        verified(at, "--read-back", "all")
        assert isinstance(at.refused("run", *at.base, PART, "--rolling"), NotProven)
        assert (at.staging / NAME).exists()


def test_a_card_that_is_not_there_or_tells_of_something_else_is_named(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.answer("run", *at.base, PART)
        files = at.server.datasets[REPO].files
        whole = files[PATH].read(0, 10**6).decode()
        drop(at, PATH)
        code, told, last = verified(at)
        assert (code, told["missing"], told["cleanup"]) == (1, [PATH], None) and last.endswith("it writes the card")
        assert not at.status.cleanup
        for other in (
            whole.replace("ctp", "cpt"),
            whole.replace("cc-by-nc-sa-4.0", "cc0-1.0"),
            whole.split("---\n")[2],
            "x",
        ):
            at.server.keep(at.server.datasets[REPO], PATH, other.encode(), None, None)
            at.server.datasets[REPO].tree = []
            assert verified(at)[1]["different"] == [PATH], other
        at.answer("upload", *at.there)
        own = files[PATH].read(0, 10**6).decode().replace("---\n", "---\nlanguage:\n- en\n", 1) + "\n## Mine\n"
        at.server.keep(at.server.datasets[REPO], PATH, own.encode(), None, None)
        at.server.datasets[REPO].tree = []
        assert at.answer("verify", *at.there)["ok"] and at.status.cleanup


def test_a_source_that_changed_is_neither_sent_nor_called_published(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.answer("build", *at.base)
        kept = image(at).read_bytes()
        image(at).write_bytes(image(at, 1).read_bytes() + b"\0" * 9)
        error = at.refused("upload", *at.there)
        assert isinstance(error, SourceChanged) and "1 shards" in str(error) and "build again" in error.hint
        assert at.answer("status", *at.there)["stale"] == 1 and not at.server.writes.committed
        at.answer("build", *at.base)
        assert at.answer("status", *at.there)["stale"] == 0
        at.answer("upload", *at.there)
        assert at.answer("verify", *at.there)["stale"] == []
        os.utime(image(at), ns=(1, 10**18))
        assert at.answer("verify", *at.there, "--read-back", "all")["stale"] == [], "only its time is new"
        image(at).write_bytes(kept)
        for more in ((), ("--read-back", "all")):
            code, told, last = verified(at, *more)
            assert (code, told["ok"], told["stale"], told["cleanup"]) == (1, False, [NAME], None)
            assert "put it back" in last and told["altered"] == []
        shutil.rmtree(at.source)
        assert at.answer("verify", *at.there)["ok"], "what is gone can be compared no more"


def test_bytes_that_changed_under_the_same_time_are_found_when_they_are_read(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.answer("run", *at.base, PART)
        found, data = image(at).stat(), bytearray(image(at).read_bytes())
        data[len(data) // 2] ^= 1
        image(at).write_bytes(data)
        os.utime(image(at), ns=(found.st_atime_ns, found.st_mtime_ns))
        code, told, _ = verified(at, "--read-back", "all")
        assert (code, told["stale"], told["altered"], told["different"]) == (1, [NAME], [], [])
        assert not look(at.staging).altered, "the repository gave what it was given"


@pytest.mark.parametrize("gone", [False, True])
def test_what_was_taken_away_from_the_source_is_not_sent(tmp_path: Path, gone: bool) -> None:
    with owner(tmp_path) as at:
        at.answer("build", *at.base)
        if gone:
            shutil.rmtree(at.source)
            at.answer("upload", *at.there)
            return
        image(at).unlink()
        assert isinstance(at.refused("upload", *at.there), SourceChanged) and not at.server.writes.committed


def test_before_the_first_upload_everything_is_missing_and_said_so(tmp_path: Path) -> None:
    with owner(tmp_path, repo=False) as at:
        at.answer("build", *at.base)
        code, told, last = verified(at)
        assert (code, len(told["missing"]), told["verified"], told["commit"]) == (1, 4, 0, "")
        assert "upload first" in last and "upload first" in at.status.hint and REPO not in at.server.datasets


def test_with_something_else_there_nobody_is_sent_to_publish_again(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.answer("run", *at.base, PART)
        beside = at.staging.with_name(f"{at.staging.name}.verified.json")
        assert json.loads(beside.read_text())["ok"]
        files = at.server.datasets[REPO].files
        files["data/other.parquet"] = files[NAME]
        at.server.datasets[REPO].tree = []
        code, _, last = verified(at)
        assert code == 1 and "delete them" in last and "pload" not in last and "3 of 3" in last
        assert "delete them" in at.status.hint and "upload" not in at.status.hint
        assert not json.loads(beside.read_text())["ok"], "what lies beside the folder is not older than the folder's"
