"""A Hub that changes its mind: what is lost meanwhile, storages that refuse, long outages, what is freed after all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import BadSettings, HubDenied, HubNotFound, HubServerError, NotProven, PublishCancelled, PublishError
from core.hub.pushing import Pusher
from core.publish.finish import finish
from core.publish.rolling import roll
from core.publish.sending import Options
from core.publish.sending import Progress as Sending
from core.publish.staging import begin
from core.publish.upload import upload
from core.publish.verify import Progress, next_steps, verify
from tests.hubserver import Fault
from tests.hubserver.answers import json_answer
from tests.publish.sending import OPTIONS, TOKEN, Place, few, place
from tests.publish.staged import REPO, REVISION
from tests.publish.test_verify import change, shards_in, told_card

RARE = (("^/lfs/", 404), ("/commit/", 404))


def test_a_freed_shard_that_the_repository_loses_meanwhile_is_no_success(tmp_path: Path) -> None:
    with place(tmp_path, 2) as at, at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
        upload(staging, both.hub, both.pusher, OPTIONS, only=[0])
        staging.free(0)

        def lose(progress: Sending) -> None:
            if progress.doing == "committing":
                at.server.datasets[REPO].files.pop(staging[0].name, None)

        with pytest.raises(PublishError, match="1 of 2 shards are not built"):
            upload(staging, both.hub, both.pusher, OPTIONS, lose)
        assert [shard.state for shard in staging.view.shards] == ["planned", "proven"]


@pytest.mark.parametrize(
    ("where", "status"),
    [("^/lfs/", 403), ("/tree/", 404), *(pytest.param(*one, marks=pytest.mark.stress) for one in RARE)],
)
def test_a_no_that_is_not_about_the_token_passes(tmp_path: Path, where: str, status: int) -> None:
    with place(tmp_path, 3) as at:
        at.server.faults.add(Fault("status", where, times=2, status=status))
        assert at.upload().sent == (0, 1, 2) and at.verify().ok


def test_a_repository_that_is_not_there_and_not_to_be_made_is_told_at_once(tmp_path: Path) -> None:
    with place(tmp_path, 1) as at:
        with pytest.raises((HubNotFound, HubDenied)):
            at.upload(Options(create=False))
        assert REPO not in at.server.datasets and at.server.counts["/api/repos/create"] == 0


@pytest.mark.parametrize(
    ("mode", "ignored", "named"), [("regular", False, "gitattributes"), ("lfs", True, "gitignore")]
)
def test_a_repository_with_rules_of_its_own_is_told_at_once(
    tmp_path: Path, mode: str, ignored: bool, named: str
) -> None:
    with place(tmp_path, 1) as at:
        file = {"path": at.view.shards[0].name, "uploadMode": mode, "shouldIgnore": ignored, "oid": None}
        at.server.answers["/preupload/"] = lambda path: json_answer({"files": [file]})
        with pytest.raises(PublishError) as told:
            at.upload()
        assert named in told.value.hint and not at.server.writes.committed and at.view.counts()["built"] == 1


def test_being_offline_by_choice_is_no_outage(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="HF_HUB_OFFLINE"):
        Pusher("http://127.0.0.1:9", TOKEN, offline=True).check_may_write(REPO, lambda: False)


def test_what_is_damaged_here_is_not_called_lost_there(tmp_path: Path) -> None:
    with place(tmp_path, 2) as at:
        at.upload()
        with at.view.place(1).open("r+b") as file:
            file.write(b"?")
        found = at.verify()
        assert found.ok and {shard.state for shard in at.view.shards} == {"proven"}


def test_an_outage_while_it_is_verified_is_waited_for_and_told(tmp_path: Path) -> None:
    with place(tmp_path, 3) as at:
        at.upload()
        at.server.faults.add(Fault("status", "/resolve/", times=5, status=500))
        seen: list[Progress] = []
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            found = verify(staging, both.hub, seen.append, read_back=None, options=few(pause_s=0.2, longest_s=0.2))
            assert found.ok and found.read_back == 3
            waits = [p for p in seen if p.rest_s is not None]
            assert waits and all(p.note and 0 < p.rest_s <= 0.4 for p in waits if p.rest_s is not None)
            last, total = seen[-1], sum(shard.bytes for shard in at.view.shards)
            assert (last.bytes, last.total, last.shards, last.done) == (total, total, 3, 2)
            at.server.faults.add(Fault("status", "/tree/", times=None, status=500))
            with pytest.raises(HubServerError):
                verify(staging, both.hub, options=OPTIONS)
            with pytest.raises(PublishCancelled):
                verify(staging, both.hub, seen.append, lambda: seen[-1].rest_s is not None, options=few(pause_s=9))


def test_what_is_lost_while_it_is_read_back_is_named(tmp_path: Path) -> None:
    with place(tmp_path, 3) as at:
        at.upload()
        oid = at.view.shards[1].sha256

        def lose(progress: Progress) -> None:
            if progress.shard:
                at.server.lost.add(oid)

        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            found = verify(staging, both.hub, lose, read_back=None, options=OPTIONS)
        assert (found.missing, found.unread, found.verified) == ((at.view.shards[1].name,),) * 2 + (2,)


def test_a_stop_while_the_source_is_compared_is_a_stop(tmp_path: Path) -> None:
    with place(tmp_path, 2, size=3_000_000) as at:
        at.upload()
        seen: list[Progress] = []
        with (
            at.clients() as both,
            begin(at.folder, at.plan, REPO, REVISION) as staging,
            pytest.raises(PublishCancelled),
        ):
            whole = staging[0].bytes
            verify(staging, both.hub, seen.append, lambda: bool(seen) and seen[-1].bytes >= whole, read_back=None)
        assert not list(at.folder.rglob("*.part"))


def test_each_wrong_thing_has_its_next_step(tmp_path: Path) -> None:
    with place(tmp_path, 4, size=200_000) as at:
        at.upload()
        names = [shard.name for shard in at.view.shards]
        for path, how in zip(names, ("removed", "lost", "flipped"), strict=False):
            change(at, path, how)
        files = at.server.datasets[REPO].files
        files["data/old.parquet"] = files[names[3]]
        found = at.verify(read_back=None)
        assert (found.missing, found.different, found.altered) == (tuple(names[:2]), (names[2],), (names[2],))
        steps = next_steps(found)
        assert len(steps) == 3 and "Upload again" in steps[0] and "LFS" in steps[1] and "unexpected" in steps[2]


def rolled(at: Place, **how: Any) -> int:
    with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
        return roll(at.plan, staging, both.hub, both.pusher, 300_000, few(attempts=4), **how)


def test_an_object_that_is_seen_to_be_damaged_there_is_never_freed(tmp_path: Path) -> None:
    with place(tmp_path, 3, size=200_000, build=False) as at:
        at.server.faults.add(Fault("damage", "^/lfs/", times=1))
        for _ in range(2):
            with pytest.raises(NotProven, match="1 shards were fetched back"):
                rolled(at, read_back=True)
        assert len(shards_in(at)) == 1 and at.view.counts()["freed"] == 0
        with pytest.raises(NotProven, match="1 shards were fetched back"):
            rolled(at)
        with begin(at.folder, at.plan, REPO, REVISION) as staging, pytest.raises(NotProven, match="did not come back"):
            staging.free(0)
        name = at.view.shards[0].name
        assert (at.folder / name).exists() and at.verify().altered == (name,), "seen once, and never forgotten"
        del at.server.datasets[REPO].files[name]
        at.server.datasets[REPO].tree = []
        at.server.writes.objects.clear()
        rolled(at)
        assert not shards_in(at) and at.verify().ok and not at.view.altered


def test_rolling_reads_back_asks_once_who_we_are_and_goes_on(tmp_path: Path) -> None:
    with place(tmp_path, 4, size=200_000, build=False) as at:
        said: list[object] = []
        rolled(at, read_back=True, tell=lambda progress: said.append(getattr(progress, "doing", "")))
        assert at.view.counts()["freed"] == 4 and not shards_in(at) and "reading" in said
        assert at.server.counts["/api/whoami-v2"] == at.server.counts["/api/repos/create"] == 1
        change(at, at.view.shards[2].name, "removed")
        at.server.writes.objects.clear()
        assert at.verify().missing == (at.view.shards[2].name,)
        rolled(at)
        assert at.verify(read_back=None).ok


def test_the_card_says_what_it_is_not(tmp_path: Path) -> None:
    with place(tmp_path, 1) as at:
        at.upload()
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            finish(staging, both.hub, both.pusher, OPTIONS)
        assert "Research use only, not a medical device." in told_card(at)
