"""Verifying, and what waits for it: the card, the freeing of shards, the command that removes the staging folder."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DiskFull, NotProven, PublishError
from core.publish.card import BEGIN, END, about, card, tells
from core.publish.described import PATH
from core.publish.finish import finish
from core.publish.rolling import roll, windows
from core.publish.staging import begin
from core.publish.verify import as_json, as_text, cleanup_command, verify
from tests.hubserver import Fault
from tests.publish.sending import OPTIONS, Place, few, place
from tests.publish.staged import REPO, REVISION, contents, plan_of


def change(at: Place, path: str, how: str) -> None:
    """Spoil a shard in the repository."""
    dataset = at.server.datasets[REPO]
    file = dataset.files[path]
    assert file.oid and isinstance(file.content, bytes)
    dataset.tree = []
    if how == "removed":
        del dataset.files[path]
    elif how == "lost":
        at.server.lost.add(file.oid)
    elif how == "other":
        dataset.files[path] = type(file)(b"PAR1", True, hashlib.sha256(b"PAR1").hexdigest(), 4)
    else:
        middle = len(file.content) // 2
        spoilt = file.content[:middle] + b"?" + file.content[middle + 1 :]
        dataset.files[path] = type(file)(spoilt, True, file.oid, file.told)


@pytest.mark.parametrize(
    ("how", "field"), [("removed", "missing"), ("lost", "missing"), ("other", "different"), ("flipped", "different")]
)
def test_what_is_wrong_is_named_and_can_be_mended(tmp_path: Path, how: str, field: str) -> None:
    with place(tmp_path, 4, size=200_000) as at:
        at.upload()
        path = at.view.shards[2].name
        change(at, path, how)
        found = at.verify(read_back=None)
        assert getattr(found, field) == (path,) and not found.ok and found.verified == 3
        assert found.unread == ((path,) if how == "lost" else ())
        told = as_json(found)
        assert told["ok"] is False and told[field] == [path]
        said = as_text(found, at.folder)
        assert path in said and "rm -rf" not in said
        at.server.lost.clear()
        at.server.writes.objects.clear()
        if how != "flipped":
            assert at.upload().sent in ((2,), ()) and at.verify(read_back=None).ok


def test_files_of_another_publication_are_unexpected(tmp_path: Path) -> None:
    with place(tmp_path, 2) as at:
        at.upload()
        files, one = at.server.datasets[REPO].files, at.server.datasets[REPO].files[at.view.shards[0].name]
        files["data/train-00000-of-00009.parquet"] = files["more.parquet"] = files["LICENSE"] = one
        at.server.datasets[REPO].tree = []
        found = at.verify()
        assert found.unexpected == ("data/train-00000-of-00009.parquet", "more.parquet") and not found.ok
        assert found.verified == 2


def test_shards_are_read_back_and_compared_with_the_source(tmp_path: Path) -> None:
    with place(tmp_path, 6) as at:
        at.upload()
        assert at.verify().read_back == 0
        some = at.verify(read_back=2)
        assert (some.read_back, some.images, some.unsourced, some.ok) == (2, 2, (), True)
        whole = at.verify(read_back=None)
        assert (whole.read_back, whole.images) == (6, 6) and not list(at.folder.rglob("*.part"))
        shutil.rmtree(at.plan.root / "3")
        other = at.verify(read_back=None)
        assert other.unsourced == (at.view.shards[3].name,) and other.ok
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging, pytest.raises(DiskFull):
            verify(staging, both.hub, read_back=None, room=lambda folder: 100)


@pytest.mark.parametrize("schema", ["arc", "isles24"])
def test_lists_nulls_and_scalars_are_read_back(tmp_path: Path, schema: str) -> None:
    with place(tmp_path, 1, build=False) as first:
        at = Place(first.server, plan_of(tmp_path, schema), tmp_path / "st")
        at.build()
        at.upload()
        found = at.verify(read_back=None)
        assert found.ok and found.images == sum(len(row.images) for s in at.plan.shards for row in s.rows)


def test_the_command_that_cleans_up_is_quoted_and_only_told(tmp_path: Path) -> None:
    with place(tmp_path, 2) as at:
        at.upload()
        said = as_text(at.verify(), at.folder)
        command = cleanup_command(at.folder)
        assert command in said and shlex.split(command) == ["rm", "-rf", "--", str(at.folder)]
        assert len(contents(at.folder)) == 2
    assert shlex.split(cleanup_command(Path("/x/'; rm -rf ~ #")))[3] == "/x/'; rm -rf ~ #"


def told_card(at: Place) -> str:
    file = at.server.datasets[REPO].files[PATH]
    assert isinstance(file.content, bytes)
    return file.content.decode()


def test_the_card_comes_last_and_leaves_others_words(tmp_path: Path) -> None:
    with place(tmp_path, 3) as at, at.clients() as both:
        with begin(at.folder, at.plan, REPO, REVISION) as staging, pytest.raises(NotProven):
            finish(staging, both.hub, both.pusher, OPTIONS)
        at.upload()
        own = "---\nlanguage:\n- en\nlicense: mit\n# mine\ntags: [a, b]\n---\n# Mine\n\nwords\n"
        at.server.keep(at.server.datasets[REPO], PATH, own.encode(), None, None)
        at.server.datasets[REPO].tree = []
        at.server.faults.add(Fault("left_out", "/commit/", times=1), Fault("applied", "/commit/", times=1, status=504))
        for _ in range(2):
            with at.clients() as new, begin(at.folder, at.plan, REPO, REVISION) as staging:
                finish(staging, new.hub, new.pusher, OPTIONS, licence="cc-by-4.0", present={"i0": 3})
        found = told_card(at)
        assert "language:\n- en\n" in found and "tags: [a, b]\n" in found and 'license: "cc-by-4.0"\n' in found
        assert "mit" not in found and found.count(BEGIN) == 1 and "# Mine\n\nwords\n" in found
        assert "num_examples: 3" in found and f'load_dataset("{REPO}"' in found and "| `i0` |" in found
        assert [paths for paths in at.server.writes.committed if PATH in paths] == [(PATH,)] and at.verify().ok


def test_a_card_of_cards_is_the_same(tmp_path: Path) -> None:
    with place(tmp_path, 1) as at:
        told = about(at.view, "cc0-1.0")
        for before in ("", "words", "---\na: 1\n---\nwords\n", "--- not metadata\n", f"x {BEGIN} old {END} y\n"):
            once = card(told, before)
            assert (
                tells(told, once) and not tells(replace(told, rows=9), once) and tells(told, before) is (before == once)
            )
            assert card(told, once) == once and once.startswith("---\n") and once.count(BEGIN) == 1
            assert all(word in once for word in ("words",) if word in before)


def test_rolling_frees_what_is_proven_and_nothing_else(tmp_path: Path) -> None:
    with place(tmp_path, 6, size=5000, build=False) as at:
        most: list[int] = []
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            freed = roll(
                at.plan, staging, both.hub, both.pusher, 12_000, OPTIONS, lambda _: most.append(len(shards_in(at)))
            )
        assert max(most) == 2 and not shards_in(at) and {s.state for s in at.view.shards} == {"freed"}
        assert freed == sum(shard.bytes for shard in at.view.shards) and at.verify(read_back=None).ok


def test_rolling_frees_nothing_while_the_repository_lacks_it(tmp_path: Path) -> None:
    with place(tmp_path, 4, size=5000, build=False) as at:
        at.server.faults.add(Fault("lose", "^/lfs/", times=1))
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging, pytest.raises(PublishError):
            roll(at.plan, staging, both.hub, both.pusher, 12_000, few(attempts=4))
        assert len(shards_in(at)) == 2 and "freed" not in {s.state for s in at.view.shards}
        found = at.verify()
        assert len(found.unread) == 1 and not found.ok


def shards_in(at: Place) -> list[Path]:
    return [path for path in at.folder.rglob("*.parquet") if not path.name.startswith(".")]


def test_windows_hold_one_at_least(tmp_path: Path) -> None:
    with place(tmp_path, 3, build=False) as at:
        assert [len(group) for group in windows(at.plan.shards, 1)] == [1, 1, 1]
        assert [len(group) for group in windows(at.plan.shards, 10**9)] == [3]
