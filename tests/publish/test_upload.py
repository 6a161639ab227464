"""Uploading with the real client to a Hub that misbehaves: what is proven, what is sent again, what is never done."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from core.errors import BadSettings, HubDenied, NotSent, PublishCancelled, PublishError, ShardDamaged
from core.hub.pushing import Pusher
from core.hub.rights import refusal_of
from core.publish.sending import Progress
from core.publish.staging import begin
from core.publish.upload import upload
from tests.hubserver import Fault
from tests.hubserver.writes import person
from tests.publish.sending import OPTIONS, TOKEN, few, place
from tests.publish.staged import REPO, REVISION, contents

COMMIT = "/commit/"


def test_all_is_sent_once_and_proven(tmp_path: Path) -> None:
    with place(tmp_path, 12) as at:
        done = at.upload()
        assert done.sent == tuple(range(12)) and not done.known and done.commits == 2
        assert {shard.state for shard in at.view.shards} == {"proven"} and at.verify(read_back=None).ok
        assert set(at.server.writes.puts.values()) == {1}
        again = at.upload()
        assert again.known == tuple(range(12)) and not again.sent and not again.commits
        assert set(at.server.writes.puts.values()) == {1} and len(contents(at.folder)) == 12


def test_what_the_repository_holds_is_not_sent_from_another_folder(tmp_path: Path) -> None:
    with place(tmp_path, 4) as at:
        at.upload()
        other = type(at)(at.server, at.plan, tmp_path / "other")
        other.build()
        assert other.upload().known == (0, 1, 2, 3) and set(at.server.writes.puts.values()) == {1}


USUAL_FAULTS = (
    Fault("status", COMMIT, times=3, status=500),
    Fault("status", COMMIT, times=2, status=429, headers=(("Retry-After", "0"),)),
    Fault("applied", COMMIT, times=2, status=504),
    Fault("left_out", COMMIT, times=2),
    Fault("tear", "^/lfs/", times=3),
    Fault("drop", "^/lfs/", times=2),
)
RARE_FAULTS = (
    Fault("status", COMMIT, times=3, status=504),
    Fault("drop", COMMIT, times=2),
    Fault("json", COMMIT, times=2),
    Fault("status", "^/lfs/", times=3, status=503),
    Fault("status", "/preupload/", times=2, status=500),
    Fault("status", "/batch", times=2, status=500),
    Fault("status", "/tree/", times=3, status=500),
    Fault("drop", "whoami", times=2),
    Fault("status", "/repos/create", times=2, status=502),
    Fault("status", "/verify", times=2, status=500),
)


@pytest.mark.parametrize(
    "fault",
    [*USUAL_FAULTS, *(pytest.param(fault, marks=pytest.mark.stress) for fault in RARE_FAULTS)],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.where.strip('/')[:8]}",
)
def test_what_fails_a_few_times_is_overcome_in_one_run(tmp_path: Path, fault: Fault) -> None:
    with place(tmp_path, 9) as at:
        at.server.faults.add(fault)
        at.upload()
        assert at.verify().ok and {shard.state for shard in at.view.shards} == {"proven"}
        committed = Counter(path for paths in at.server.writes.committed for path in paths)
        assert set(committed.values()) == {1}, "a shard that was there was committed again"
        assert set(at.server.writes.puts.values()) == {1}


def test_a_commit_that_is_refused_for_ever_ends_with_the_numbers(tmp_path: Path) -> None:
    with place(tmp_path, 6) as at:
        at.server.faults.add(Fault("status", COMMIT, times=None, status=500))
        with pytest.raises(NotSent, match="6 of 6 shards"):
            at.upload()
        assert {shard.state for shard in at.view.shards} == {"built"} and len(contents(at.folder)) == 6
        found = at.verify()
        assert not found.ok and len(found.missing) == 6
        at.server.faults.clear()
        at.upload()
        assert at.verify().ok and set(at.server.writes.puts.values()) == {1}


def test_commits_become_smaller_when_they_are_refused(tmp_path: Path) -> None:
    with place(tmp_path, 18) as at:
        at.server.writes.takes = 15
        with pytest.raises(NotSent, match="3 of 18"):
            at.upload()
        assert len(at.remote) == 15 and [len(paths) for paths in at.server.writes.committed][:2] == [8, 4]
        at.server.writes.takes = None
        assert len(at.upload().sent) == 3 and at.verify().ok


@pytest.mark.parametrize(
    ("shards", "taken", "files"), [(36, 24, 6), pytest.param(902, 599, 50, marks=pytest.mark.stress)]
)
def test_of_902_shards_599_are_taken_all_are_still_here_and_the_next_run_sends_303(
    tmp_path: Path, shards: int, taken: int, files: int
) -> None:
    with place(tmp_path, shards, size=40) as at:
        at.server.writes.takes = taken
        with pytest.raises(NotSent, match=f"{shards - taken} of {shards}"):
            at.upload(few(files=files, slice_files=files))
        assert len(at.remote) == taken and len(contents(at.folder)) == shards
        found = at.verify()
        assert (found.verified, len(found.missing), found.ok) == (taken, shards - taken, False)
        at.server.writes.takes = None
        at.server.writes.committed.clear()
        done = at.upload(few(files=files, slice_files=files))
        sent = [path for paths in at.server.writes.committed for path in paths]
        assert len(done.sent) == shards - taken == len(sent) == len(set(sent)) and len(done.known) == taken
        assert at.verify().ok and len(contents(at.folder)) == shards
        assert set(at.server.writes.puts.values()) == {1}


def test_a_token_that_expires_midway_is_told_and_gone_on_with(tmp_path: Path) -> None:
    with place(tmp_path, 12) as at:
        at.server.faults.add(Fault("expire", COMMIT, times=1))
        with pytest.raises(HubDenied) as told:
            at.upload()
        assert "after 0 of 12 shards" in str(told.value) and TOKEN not in told.value.sentence()
        assert at.upload(token="hf_another1token").sent
        at.server.writes.revoked.clear()
        assert at.verify().ok


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (person("owner"), None),
        (person("me", orgs={"owner": "admin"}), None),
        (person("me", role="read", orgs={"owner": "admin"}), "only read"),
        (person("me", orgs={"other": "admin"}), "nobody in owner"),
        (person("me", orgs={"owner": "read"}), "only read in owner"),
        (person("me", role="fineGrained"), None),
        ({"name": "me"}, None),
    ],
)
def test_who_may_write_is_asked_first(tmp_path: Path, who: dict[str, object], why: str | None) -> None:
    said = refusal_of(who, "owner/name")
    assert (said is None) if why is None else (said is not None and why in said)
    with place(tmp_path, 1) as at:
        at.server.writes.users[TOKEN] = who
        if why is None:
            assert at.upload().sent == (0,)
            return
        with pytest.raises(HubDenied, match=why):
            at.upload()
        assert REPO not in at.server.datasets


def test_a_fine_grained_token_must_name_the_dataset_or_its_owner() -> None:
    def fine(name: str, *permissions: str) -> dict[str, object]:
        scope = {"entity": {"name": name, "type": "dataset"}, "permissions": list(permissions)}
        return {"name": "me", "auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"scoped": [scope]}}}}

    assert refusal_of(fine("owner/name", "repo.write"), "owner/name") is None
    assert refusal_of(fine("owner", "repo.content.read", "repo.write"), "owner/name") is None
    assert refusal_of(fine("owner/name", "repo.content.read"), "owner/name")
    assert refusal_of(fine("other", "repo.write"), "owner/name")


def test_without_a_token_or_with_a_bad_one_nothing_is_asked(tmp_path: Path) -> None:
    with place(tmp_path, 1) as at:
        for token, error in ((None, HubDenied), (" ", HubDenied), ("two words", BadSettings)):
            with pytest.raises(error):
                at.upload(token=token)
        with pytest.raises(BadSettings):
            Pusher(at.server.url, "two words")
        assert not at.server.requests


def test_a_damaged_shard_is_found_before_it_is_sent_and_the_others_are_sent(tmp_path: Path) -> None:
    with place(tmp_path, 5) as at:
        torn, gone = at.view.place(1), at.view.place(3)
        data = bytearray(torn.read_bytes())
        data[len(data) // 2] ^= 1
        torn.write_bytes(data)
        gone.unlink()
        with pytest.raises(ShardDamaged, match="2 shards"):
            at.upload()
        assert [shard.state for shard in at.view.shards] == ["proven", "planned", "proven", "planned", "proven"]
        with pytest.raises(PublishError, match="2 of 5 shards are not built"):
            at.upload()
        at.build()
        assert at.upload().sent == (1, 3) and at.verify(read_back=None).ok


def test_large_files_go_in_parts(tmp_path: Path) -> None:
    with place(tmp_path, 3, size=50_000) as at:
        at.server.writes.part_bytes = 7000
        at.upload()
        assert at.verify(read_back=None).ok and at.verify().ok


def test_a_pace_is_kept_and_a_stop_is_seen_at_once(tmp_path: Path) -> None:
    with place(tmp_path, 2, size=400_000) as at:
        seen: list[Progress] = []
        with at.clients(rate=400_000.0) as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            began = time.monotonic()
            with pytest.raises(PublishCancelled):
                upload(staging, both.hub, both.pusher, OPTIONS, seen.append, lambda: time.monotonic() - began > 1)
            assert time.monotonic() - began < 10
        assert sum(at.server.writes.received.values()) <= 600_000
        assert max(p.bytes for p in seen) > 50_000 and {p.shards for p in seen if p.doing == "sending"} == {2}
        assert at.upload().sent and at.verify().ok


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    with place(tmp_path, 5) as at:
        seen: list[Progress] = []
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            upload(staging, both.hub, both.pusher, OPTIONS, seen.append)
        total = sum(shard.bytes for shard in at.view.shards)
        assert (seen[-1].proven, seen[-1].shards, seen[-1].bytes, seen[-1].total) == (5, 5, total, total)
        assert all(p.bytes <= p.total for p in seen) and {"asking", "comparing", "sending", "committing"} <= {
            p.doing for p in seen
        }
