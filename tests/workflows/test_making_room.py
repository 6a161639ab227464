"""What the app could give back: counted, remembered for a moment, and offered only where it is true."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from core.errors import OverBudget
from core.hub.cache import Cache
from core.resources.budget import Help
from core.resources.cost import fetch_step, view_step
from core.resources.disk import DiskReading
from core.resources.guard import make_guard
from core.resources.recorder import Recorder
from core.segmentation.kept import Results
from core.settings import Settings
from core.workflows.making_room import Counted, Offers, Spare, helps, lies_in_ram, offers
from core.workflows.step_cost import judged

MB = 1_000_000


def image(root: Path, name: str, size: int) -> Path:
    """A file that the cache takes for one it may evict."""
    path = root / "sample" / "1" / name / "dwi.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(size))
    return path


def test_what_is_in_use_is_no_spare(tmp_path: Path) -> None:
    image(tmp_path, "a", 1000)
    cache, other = Cache(tmp_path), image(tmp_path, "b", 500)
    assert cache.spare_bytes() == (1500, 0)
    with cache.lease([other]):
        assert cache.spare_bytes() == (1000, 500)
    assert cache.spare_bytes() == (1500, 0)


def counted(spare: Spare, expected: int) -> None:
    end = time.monotonic() + 60
    while spare() != expected:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_count_is_remembered_for_a_moment_and_then_made_anew(tmp_path: Path) -> None:
    now = [100.0]
    image(tmp_path, "a", 1000)
    spare = Spare(Cache(tmp_path), clock=lambda: now[0])
    counted(spare, 1000)
    image(tmp_path, "b", 500)
    time.sleep(0.05)
    assert spare() == 1000
    now[0] += 2.1
    counted(spare, 1500)


def test_a_full_disk_of_which_much_may_go_lets_a_transfer_in(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state")
    full = DiskReading(1000 * MB, "test", 990 * MB, 900 * MB, 10 * MB)
    with Recorder(settings.state_dir, role="app") as recorder:
        step, spare = fetch_step(300 * MB), [0]
        guard = make_guard(settings, recorder, lambda: full, spare=lambda: spare[0])
        with pytest.raises(OverBudget, match="of disk"), guard.enter(step, "fetch"):
            pass
        spare[0] = 600 * MB
        assert guard.admission.check(step)[1].admitted
        guard.watchdog.stop()


def test_only_true_offers_are_made() -> None:
    assert helps(0, 0, 0, True) == ()
    assert helps(1200 * MB, 30 * MB, 0, False) == (Help("close the open cases", "disk", 30.0),)
    offered = helps(1200 * MB, 0, 5 * MB, True)
    assert Help("clear the cache", "RAM", 1200.0) in offered
    assert Help("clear the kept segmentations", "disk", 5.0) in offered


def test_offers_are_counted_where_things_lie(tmp_path: Path) -> None:
    cache, path = Cache(tmp_path), image(tmp_path, "a", MB)
    (tmp_path / "results" / "r").mkdir(parents=True)
    (tmp_path / "results" / "r" / "mask.nii.gz").write_bytes(bytes(2 * MB))
    with cache.lease([path]):
        found = offers(cache, Results(tmp_path), proc_root=tmp_path)
    assert {(one.words, one.resource, one.mb) for one in found} == {
        ("close the open cases", "disk", 1.0), ("clear the kept segmentations", "disk", 2.0),
    }  # fmt: skip


def test_a_page_that_judges_never_walks_the_cache_itself(tmp_path: Path) -> None:
    """The screen takes the last count; a walk that takes long goes on beside it."""
    walking, go = threading.Event(), threading.Event()
    settings = Settings(cache_dir=tmp_path / "cache", state_dir=tmp_path / "state", memory_limit="100M")
    walkers: list[threading.Thread] = []

    def walk() -> tuple[Help, ...]:
        walkers.append(threading.current_thread())
        walking.set()
        assert go.wait(60)
        return (Help("clear the cache", "RAM", 1e6),)

    offered = Counted[tuple[Help, ...]](walk, (), patient=True)
    full = DiskReading(1000 * MB, "test", 990 * MB, 900 * MB, 10 * MB)
    with Recorder(settings.state_dir, role="app") as recorder:
        guard = make_guard(settings, recorder, lambda: full, helps=offered)
        sentence, fits = judged(guard, view_step(10**9))
        assert not fits and "clear the cache" not in sentence
        assert walking.is_set() and threading.current_thread() not in walkers
        go.set()
        end = time.monotonic() + 60
        while "clear the cache" not in judged(guard, view_step(10**9))[0]:
            assert time.monotonic() < end
            time.sleep(0.01)
        guard.watchdog.stop()
    assert len(walkers) == 1


def test_an_old_offer_is_counted_anew_before_it_is_made_again(tmp_path: Path) -> None:
    now = [100.0]
    made = Offers(Cache(tmp_path), Results(tmp_path), clock=lambda: now[0])
    assert made() == ()
    (tmp_path / "results" / "r").mkdir(parents=True)
    (tmp_path / "results" / "r" / "mask.nii.gz").write_bytes(bytes(2 * MB))
    assert made() == ()
    end = time.monotonic() + 60
    while not (found := made()):
        assert time.monotonic() < end
        now[0] += 100.0
    assert [one.mb for one in found if one.resource == "disk"] == [2.0]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("/dev/shm/cache", True), ("/data/cache", False), ("/with space/x", True), ("/work", False), ("/over/x", False)],
)
def test_a_cache_in_ram_is_known_by_its_mount(tmp_path: Path, folder: str, expected: bool) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
        "23 22 0:20 / /dev/shm rw,nosuid shared:1 - tmpfs tmpfs rw,size=65536k\n"
        "24 22 0:21 / /with\\040space rw - tmpfs tmpfs rw\n"
        "25 22 0:22 / /over rw - tmpfs tmpfs rw\n"
        "26 25 8:2 / /over rw - ext4 /dev/sdb rw\n"
        "strange\n"
    )
    assert lies_in_ram(Path(folder), tmp_path) is expected
    assert not lies_in_ram(Path(folder), tmp_path / "nowhere")
