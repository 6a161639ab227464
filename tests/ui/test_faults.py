"""A disk that refused a write is a transition of the record, once in a while; our own refusals are not."""

from __future__ import annotations

import errno

from core.errors import DiskFull, StrokescopeError
from core.hub.shelf import disk_error
from core.segmentation.runner import error_of
from core.ui.faults import EVERY_S, Faults, disk_was_full
from core.ui.tasks import Tasks


def refused(number: int) -> StrokescopeError:
    """What a write that fails with this number becomes in the cache."""
    try:
        try:
            raise OSError(number, "no")
        except OSError as error:
            raise disk_error(error) from None
    except StrokescopeError as error:
        return error


def test_only_the_disk_itself_counts() -> None:
    assert disk_was_full(refused(errno.ENOSPC))
    assert disk_was_full(refused(errno.EDQUOT))
    assert disk_was_full(OSError(errno.ENOSPC, "no"))
    assert not disk_was_full(refused(errno.EACCES))
    assert not disk_was_full(DiskFull("this needs 9.0 MB, and the cache may hold 1.0 MB", hint="choose fewer"))


def test_errors_that_lead_to_each_other() -> None:
    one, other = DiskFull("a", hint="b"), DiskFull("c", hint="d")
    one.__cause__, other.__cause__ = other, one
    assert not disk_was_full(one)


def test_it_is_noted_once_in_a_while() -> None:
    noted: list[tuple[str, object]] = []
    now = [100.0]
    faults = Faults(lambda event, **facts: noted.append((event, facts["what"])), lambda: now[0])
    for what in ("fetch", "list", "job"):
        faults.seen(refused(errno.ENOSPC), what)
        faults.seen(refused(errno.EACCES), what)
    assert noted == [("disk full", "fetch")]
    now[0] += EVERY_S
    faults.seen(refused(errno.ENOSPC), "a page")
    assert noted == [("disk full", "fetch"), ("disk full", "a page")]


def test_an_error_that_stays_on_a_screen_is_one_event() -> None:
    noted: list[str] = []
    now = [100.0]
    faults = Faults(lambda event, **facts: noted.append(event), lambda: now[0])
    error = refused(errno.ENOSPC)
    for _ in range(5):
        faults.seen(error, "a page")
        now[0] += EVERY_S
    assert noted == ["disk full"]


def test_tasks_tell_of_failures() -> None:
    told: list[StrokescopeError] = []

    def work(report: object, cancelled: object) -> None:
        raise refused(errno.ENOSPC)

    tasks = Tasks(1, on_error=told.append)
    task = tasks.start("x", "a fetch", work)
    assert task.wait(60)
    assert told == [task.error]
    assert disk_was_full(told[0])


def test_what_a_worker_was_refused_counts() -> None:
    told = {"message": "there is no room to write the image", "hint": "free some disk space"}
    assert disk_was_full(error_of({"kind": "DiskFull", **told}))
    assert not disk_was_full(error_of({"kind": "BadVolume", **told}))
