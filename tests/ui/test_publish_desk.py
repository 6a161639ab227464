"""The desk: publications outlive the app, a status keeps up with its publisher, and no shard is ever removed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import StagingDamaged
from core.publish.journal import Journal
from core.publish.records import state_entry
from core.publish.view import MANIFEST, look
from core.settings import load_settings
from core.ui.publish_desk import PATIENT, Desk, Shared
from core.ui.publish_wish import Wish
from tests.ui import publish_world as made


@pytest.fixture
def living() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits to be ended."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def prove(folder: Path, index: int) -> None:
    """What a publisher writes when a shard is proven."""
    record = replace(look(folder).shards[index], state="proven")
    path = folder / MANIFEST
    journal = Journal(path, path.stat().st_size)
    journal.append([state_entry(record)])
    journal.close()


def test_a_look_keeps_up_with_the_publisher_and_sees_its_death(tmp_path: Path, living: subprocess.Popen[bytes]) -> None:
    ticks, folder = [100.0], tmp_path / "staging ü"
    common = Shared(lambda: ticks[0])
    assert common.status(folder) is None
    made.staged(folder, ["built"] * 4)
    made.tell(folder, "upload", pid=living.pid, done=0, total=4)
    first = common.status(folder)
    assert first is not None and (first.standing, first.states["proven"]) == ("working", 0)
    prove(folder, 0)
    made.tell(folder, "waiting", "upload", pid=living.pid, done=1, total=4, until=5e9)
    ticks[0] += 1.0 + PATIENT
    second = common.status(folder)
    assert second is not None and second.progress is not None
    assert (second.standing, second.states["proven"], second.progress.done) == ("waiting", 1, 1)
    assert common.status(folder) == second
    living.kill()
    living.wait()
    third = common.status(folder)
    assert third is not None and third.standing == "died"


def test_a_record_that_cannot_be_read_is_told_each_time(tmp_path: Path) -> None:
    made.staged(tmp_path, ["built"])
    (tmp_path / MANIFEST).write_bytes(b"rubbish\n")
    for _ in range(2):
        with pytest.raises(StagingDamaged):
            Shared().status(tmp_path)


def test_publications_are_found_by_another_app_and_forgotten_without_a_shard_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROKESCOPE_STATE_DIR", str(tmp_path / "state"))
    first = Desk(load_settings())
    one = made.kept(tmp_path)
    made.staged(one.staging, ["built"] * 2)
    other = first.keep(Wish("/data", "bids", "owner/other", str(tmp_path / "elsewhere")))
    (first.folder / "rubbish").mkdir()
    (first.folder / "rubbish" / "wish.json").write_text("{")
    second = Desk(load_settings())
    assert {found.wish.repo for found in second.publications()} == {made.REPO, "owner/other"}
    assert second.find(one.wish.key) == one and second.find("nobody") is None
    assert not second.at_work(one)
    assert first.folder.stat().st_mode & 0o77 == 0 or one.home.stat().st_mode & 0o77 == 0
    second.forget(one)
    assert [found.wish for found in first.publications()] == [other.wish]
    assert look(one.staging).counts()["built"] == 2
