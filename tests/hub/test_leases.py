"""Leases: held across threads and processes, ended by the kernel, bounded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from core.hub.cache import Cache
from core.hub.leases import MAX_OWNERS, Leases, alone, in_use
from tests.hub.test_cache import cases, key, put

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from core.hub.cache import Cache
held = Cache(Path(sys.argv[1])).hold("me", [Path(sys.argv[2])])
print(len(held), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process_holds(root: Path, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has a lease on the file until the block ends."""
    argv = [sys.executable, "-c", HOLD, str(root), str(path)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        yield other
        other.kill()


def test_another_process_keeps_a_file_and_its_death_lets_go(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    kept, _ = put(cache, key("a"), used=1), put(cache, key("b"), used=2)
    with another_process_holds(tmp_path, kept.path) as other:
        assert in_use(kept.path)
        assert cache.evict(1) > 0
        assert cases(cache) == ["a"]  # the older one, but held
        assert (cache.clear(), cases(cache)) == (0, ["a"])
        other.kill()
        other.wait()
        assert cache.clear() == kept.bytes


def test_owners_hold_what_they_last_said(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    a, b = put(cache, key("a")), put(cache, key("b"))
    assert cache.hold("me", [a.path, a.path, tmp_path / "gone"]) == {a.path}
    assert cache.hold("you", [a.path, b.path]) == {a.path, b.path}
    assert cache.hold("me", [b.path]) == {b.path}
    assert (cache.clear(), cases(cache)) == (0, ["a", "b"])
    cache.let_go("you")
    cache.let_go("nobody")
    assert (cache.clear(), cases(cache)) == (a.bytes, ["b"])
    cache.let_go("me")
    assert cache.clear() == b.bytes


def test_of_too_many_owners_the_first_lets_go(tmp_path: Path) -> None:
    path, leases = tmp_path / "x", Leases()
    path.write_bytes(b"x")
    leases.hold("first", [path])
    for number in range(MAX_OWNERS):
        assert leases.holds(path) is (number < MAX_OWNERS)
        leases.hold(str(number), [])
    assert not leases.holds(path)
    assert not in_use(path)


def open_below(folder: Path) -> int:
    """Descriptors of this process, whatever its other threads do, that point into the folder."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += entry.readlink().is_relative_to(folder)
    return count


def test_descriptors_are_bounded_and_returned(tmp_path: Path) -> None:
    leases, paths = Leases(most=2), [tmp_path / str(n) for n in range(5)]
    for path in paths:
        path.write_bytes(b"x")
    taken = leases.take([*paths, tmp_path / "gone"])
    assert len(taken) == 5 and all(leases.holds(path) for path in paths)
    assert open_below(tmp_path) == 2
    leases.give_back(taken)
    assert not any(leases.holds(path) for path in paths)
    assert open_below(tmp_path) == 0


def test_alone_keeps_others_out_and_a_file_that_goes_meanwhile_is_not_held(tmp_path: Path) -> None:
    path, leases = tmp_path / "x", Leases()
    path.write_bytes(b"x")
    with alone(path) as nobody:
        assert nobody and in_use(path)
        path.unlink()
        assert leases.take([path]) == ()
    with alone(path) as nobody:
        assert not nobody


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_only_files_are_held(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    assert (Leases().take([path]) == ()) is (kind == "link")
