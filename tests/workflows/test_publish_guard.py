"""What must be so before publishing begins: folders apart, RAM and disk by the container's own limits, what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import BadPlan, HubDenied, HubOffline, OverBudget
from core.publish.sending import USUAL
from core.settings import Settings
from core.workflows.publish_ask import How, Publication, fingerprint
from core.workflows.publish_guard import WINDOW, check_apart, check_hub, clients, room_of, window_for
from core.workflows.publish_plan import as_json, plan_of, prospect
from core.workflows.publish_work import options_of
from tests.hubserver.writes import person
from tests.publish import trees
from tests.publish.commands import TOKEN, owner
from tests.publish.staged import REPO


def settings_in(root: Path, **more: Any) -> Settings:
    return Settings(
        STROKESCOPE_CACHE_DIR=root / "cache",
        STROKESCOPE_STATE_DIR=root / "state",
        **more,
    )


def publication(root: Path, schema: str = "bids", limit: int = 1000) -> Publication:
    source = root / "source"
    if not source.exists():
        trees.bids(source)
    return Publication(source, schema, REPO, root / "staging", limit=limit)


def test_neither_folder_may_lie_in_the_other(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "link").symlink_to(source)
    for staging in (source, source / "x", tmp_path, tmp_path / "link" / "x"):
        with pytest.raises(BadPlan):
            check_apart(source, staging)
    check_apart(source, tmp_path / "source2")


def test_a_disk_that_is_too_small_is_refused_with_what_helps(tmp_path: Path) -> None:
    to = publication(tmp_path)
    whole = prospect(settings_in(tmp_path), to, How())
    assert whole.fits and whole.shards == 3 and as_json(whole)["help"] is None
    for folder in ("cache", "state"):
        (tmp_path / folder).mkdir(exist_ok=True)
    least = whole.sums.rolling.disk_bytes + whole.largest // 2
    assert least < whole.sums.needs.disk_bytes
    small = settings_in(tmp_path, STROKESCOPE_DISK_LIMIT=int(least / 0.85) + 1)
    found = prospect(small, to, How())
    assert not found.fits and found.helps and "--rolling" in as_json(found)["help"]
    rolled = prospect(small, to, How(rolling=True))
    assert rolled.fits and rolled.sums.window is not None and rolled.largest <= rolled.sums.window < rolled.bytes


def test_a_container_without_the_ram_is_refused(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        error = at.refused("build", *at.base, STROKESCOPE_MEMORY_LIMIT="64M")
        assert isinstance(error, OverBudget) and "RAM" in str(error) and not at.staging.exists()


def test_room_follows_a_limit_of_a_person_and_what_lies_in_the_folder(tmp_path: Path) -> None:
    staging = tmp_path / "elsewhere"
    (staging / "data").mkdir(parents=True)
    free = room_of(settings_in(tmp_path), staging)(staging)
    room = room_of(settings_in(tmp_path, STROKESCOPE_DISK_LIMIT=10_000_000), staging)
    assert free > 10_000_000 and room(staging) == 9_000_000
    (staging / "data" / "shard").write_bytes(b"x" * 4_096_000)
    assert room(staging) == 9_000_000 - 4_096_000
    (staging / "data" / "shard").unlink()
    assert room(staging) == 9_000_000


def test_a_rolling_folder_takes_half_of_what_is_free_and_one_shard_at_least() -> None:
    assert window_for(10**12, 10**8, 4 * 10**9) == 2 * 10**9
    assert window_for(10**12, 10**8, 10**15) == WINDOW
    assert window_for(10**9, 10**8, 10**15) == 10**9
    assert window_for(10**12, 10**8, -5) == 10**8


def test_a_token_that_may_not_write_is_known_before(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.writes.users = {TOKEN: person("owner"), "hf_readreadread": person("owner", role="read")}

        def ask(token: str | None) -> str:
            with clients(settings_in(tmp_path, HF_ENDPOINT=at.server.url, HF_TOKEN=token)) as both:
                return both.pusher.check_may_write(REPO, lambda: False)

        assert ask(TOKEN) == "owner"
        for none in ("hf_readreadread", None):
            with pytest.raises(HubDenied):
                ask(none)


def test_offline_makes_no_client(tmp_path: Path) -> None:
    with pytest.raises(HubOffline), clients(settings_in(tmp_path, HF_HUB_OFFLINE=True)):
        pass


def test_a_validation_is_of_one_source_and_one_question(tmp_path: Path) -> None:
    to = publication(tmp_path)
    tree, _ = plan_of(to)
    first = fingerprint(tree, How())
    assert first == fingerprint(plan_of(to)[0], How(bandwidth=1.0)) and first != fingerprint(tree, How(counts=False))
    assert fingerprint(tree, How(sample=3)) != fingerprint(tree, How(sample=3, seed=1)) != first
    (tmp_path / "source" / "CHANGES").write_text("one more file")
    assert fingerprint(plan_of(to)[0], How()) != first


def test_limits_that_cannot_be_are_refused() -> None:
    for wrong in (
        {"despite": frozenset({"header-date"})},
        {"patience_s": -1.0},
        {"commit_files": 0},
        {"read_back": -2},
    ):
        with pytest.raises(BadPlan):
            How(**wrong)


@pytest.mark.parametrize("public", [False, True])
def test_a_repository_is_made_for_its_owner_alone_unless_it_is_said(tmp_path: Path, public: bool) -> None:
    with owner(tmp_path, "bids", repo=False) as at:
        said: list[str] = []
        settings = settings_in(tmp_path, HF_ENDPOINT=at.server.url, HF_TOKEN=TOKEN)
        to, how = publication(tmp_path), How(public=public)
        with clients(settings) as both:
            check_hub(both, to, how, lambda: False, said.append)
            assert REPO in at.server.datasets and (REPO in at.server.writes.private) is not public and len(said) == 1
            check_hub(both, to, how, lambda: False, said.append)
            assert len(said) == 1, "it is there"
    assert options_of(How()).private and not options_of(How()).create and not options_of(How(public=True)).private
    assert options_of(How()).attempts > USUAL.attempts
