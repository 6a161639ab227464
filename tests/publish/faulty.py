"""Random combinations of faults of a Hub that is written to, and what is true of a repository whatever it says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

from core.errors import HubError, PublishError
from core.publish.rolling import roll
from core.publish.staging import begin
from core.publish.verify import Verified
from tests.hubserver import Fault
from tests.publish.sending import Place, few, place
from tests.publish.staged import REPO, REVISION, built, contents

SHARDS, SIZE = 8, 150_000  # larger than what is looked at of a shard's end
_PATHS = ("/commit/", "^/lfs/", "/preupload/", "/batch", "/verify", "/tree/", "/revision/", "whoami", "/resolve/")


def fault(random: Random) -> Fault:
    """One of them; some never end."""
    times = random.choice([1, 1, 2, 3, 5, None])
    kind = random.choice(
        ["status", "status", "drop", "reset", "applied", "left_out", "tear", "expire", "lose", "damage"]
    )
    if kind in ("applied", "left_out"):
        return Fault(kind, "/commit/", times, status=random.choice([500, 504, 502]))  # type: ignore[arg-type]
    if kind in ("tear", "lose", "damage"):
        return Fault(kind, "^/lfs/", times)  # type: ignore[arg-type]
    status, headers = random.choice(
        [(500, ()), (503, ()), (504, ()), (401, ()), (403, ()), (429, (("Retry-After", "0"),))]
    )
    return Fault(kind, random.choice(_PATHS), times, status=status, headers=headers)  # type: ignore[arg-type]


def wrong(at: Place) -> set[str]:
    """Paths that the repository does not give as they were built, found without asking any of our code."""
    dataset = at.server.datasets.get(REPO)
    found = set()
    for shard in at.view.shards:
        file = dataset.files.get(shard.name) if dataset else None
        local = at.view.place(shard.index).read_bytes()
        if file is None or file.oid in at.server.lost or file.content != local:
            found.add(shard.name)
    return found


def told(found: Verified) -> set[str]:
    return {*found.missing, *found.different}


def combination(root: Path, seed: int) -> str:
    """Upload under random faults, then again without them; what came of it in a word."""
    random = Random(seed)
    with place(root, SHARDS, size=SIZE) as at:
        at.server.writes.takes = random.choice([None, None, 3, 6])
        at.server.faults.add(*(fault(random) for _ in range(random.randint(1, 4))))
        before = contents(at.folder)
        done = attempt(at)
        truth = wrong(at)
        assert contents(at.folder) == before, "the staging folder is not what it was"
        damaged = {path for path in truth if is_listed(at, path)}
        if done:
            assert truth <= damaged, "it said that it is done, and something is not there"
        at.server.faults.clear()
        at.server.writes.takes = None
        at.server.writes.revoked.clear()
        done = attempt(at)
        found, truth = at.verify(read_back=None), wrong(at)
        assert told(found) == truth and found.ok == (not truth) and not found.unexpected
        assert not truth or truth <= {path for path in truth if is_listed(at, path)}, "sent again, and not there"
        lost = {path for path in truth if oid(at, path) in at.server.lost}
        assert done == (not lost), "a lost object was taken for a proof"
        assert contents(at.folder) == before
        for shard in at.view.shards:
            assert (shard.state == "proven") == (shard.name not in lost)
        return "damaged" if truth else "clean"


def attempt(at: Place) -> bool:
    """One run; whether it says that it is done. Errors are ours, with a next step."""
    try:
        at.upload(few(files=4, attempts=6))
    except (HubError, PublishError) as error:
        assert str(error) and error.hint and "hf_" not in error.sentence()
        return False
    return True


def is_listed(at: Place, path: str) -> bool:
    """Whether the Hub lists it as it was built."""
    return oid(at, path) == hashlib.sha256((at.folder / path).read_bytes()).hexdigest()


def oid(at: Place, path: str) -> str | None:
    dataset = at.server.datasets.get(REPO)
    return dataset.files[path].oid if dataset and path in dataset.files else None


def rolling_combination(root: Path, seed: int) -> str:
    """Build, send and free a few shards at a time under random faults, then without; what came of it in a word."""
    random = Random(seed)
    with place(root, SHARDS, size=SIZE, build=False) as at:
        built(at.plan, root / "whole")
        whole, read_back = contents(root / "whole"), random.random() < 0.5
        at.server.faults.add(*(fault(random) for _ in range(random.randint(1, 4))))
        for final in (False, True):
            if final:
                at.server.faults.clear()
                at.server.writes.revoked.clear()
            done = attempt_rolling(at, read_back)
            freed = {shard.name for shard in at.view.shards if shard.state == "freed"}
            assert not done or len(freed) == SHARDS
            here = contents(at.folder) if (at.folder / "data").exists() else {}
            for shard in at.view.shards:
                name = Path(shard.name).name
                assert here.get(name, whole[name]) == whole[name] and (name in here or shard.state != "built")
                if shard.state == "freed":
                    assert name not in here and oid(at, shard.name) == whole[name], "freed, and not there"
                    assert whole[name] not in at.server.lost and not (read_back and not is_whole(at, shard.name))
        found = at.verify(read_back=None)
        truth = {shard.name for shard in at.view.shards if not is_whole(at, shard.name)}
        assert told(found) == truth and found.ok == (not truth) and (not done or not (read_back and truth))
        return "clean" if not truth else "damaged"


def attempt_rolling(at: Place, read_back: bool) -> bool:
    """One run; whether it says that it is done."""
    try:
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            roll(at.plan, staging, both.hub, both.pusher, 3 * SIZE, few(files=2, attempts=6), read_back=read_back)
    except (HubError, PublishError) as error:
        assert str(error) and error.hint and "hf_" not in error.sentence()
        return False
    return True


def is_whole(at: Place, path: str) -> bool:
    """Whether the Hub would give the shard as the second, fault-free builder made it."""
    dataset = at.server.datasets.get(REPO)
    file = dataset.files.get(path) if dataset else None
    if file is None or file.oid in at.server.lost or not isinstance(file.content, bytes):
        return False
    local = at.folder.parent / "whole" / path
    return file.content == local.read_bytes()
