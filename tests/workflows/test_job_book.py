"""The book: what is written, what is bounded, what a damaged folder gives, and that who is over stays so."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

import pytest

from core.workflows.job_book import LOG_LINES, JobBook, JobRecord, LogLine, is_id


def record(**changes: object) -> JobRecord:
    made = JobRecord(
        uuid4().hex, "b" * 32, "anna", "case-1", "sample", "diffusion", "1.0", "rules", "hub:a/b@c",
        {"z_seed": 2.5, "rule": "mean"}, ("c" * 32,), created=1000.0,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_records_and_logs_are_found_by_another_process(tmp_path: Path) -> None:
    book = JobBook(tmp_path / "jobs", clock=lambda: 1000.0)
    made = record()
    book.open(made)
    book.say(made.job_id, "handed in")
    book.say(made.job_id, "handed in")
    after = book.advance(made.job_id, state="done", ended=1001.0, seconds=2.5)
    assert book.close()
    other = JobBook(tmp_path / "jobs")
    assert other.all() == (after,) == (other.get(made.job_id),)
    assert other.log(made.job_id) == (LogLine(1000.0, "handed in"),)
    assert stat.S_IMODE((tmp_path / "jobs").stat().st_mode) == 0o700


def test_what_is_over_changes_no_more(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    made = record()
    book.open(made)
    states, found = ("done", "failed", "cancelled", "interrupted"), list[str]()
    barrier = threading.Barrier(len(states))

    def end(state: str) -> None:
        barrier.wait()
        if book.advance(made.job_id, state=state) is not None:
            found.append(state)

    threads = [threading.Thread(target=end, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book.close()
    again = JobBook(tmp_path).get(made.job_id)
    assert again is not None
    assert found == [again.state]


def test_it_is_bounded_by_number_and_by_age(tmp_path: Path) -> None:
    now = [1000.0]
    book = JobBook(tmp_path, most=5, days=1.0, clock=lambda: now[0])
    runs = record()
    book.open(runs)
    for _ in range(20):
        made = record(created=now[0])
        book.open(made)
        book.say(made.job_id, "x")
        book.advance(made.job_id, state="done", ended=now[0])
        now[0] += 1
    book.close()
    assert len(list(tmp_path.glob("*.json"))) == 5
    assert len(list(tmp_path.glob("*.log"))) <= 5
    assert book.get(runs.job_id) == runs  # what is not over stays
    now[0] += 2 * 86400
    last = record(created=now[0])
    book.open(last)
    book.close()
    assert {path.stem for path in tmp_path.glob("*.json")} == {runs.job_id, last.job_id}


def test_a_log_is_bounded(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    made = record()
    book.open(made)
    for number in range(3 * LOG_LINES):
        book.say(made.job_id, str(number))
    assert len(book.log(made.job_id)) == LOG_LINES
    book.close()
    assert len(JobBook(tmp_path).log(made.job_id)) <= LOG_LINES


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"job_id": "x"}', "\x00", '{"job_id": 3, "state": []}', "[" * 5000]
)
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{'a' * 32}.json").write_text(text)
    (tmp_path / f"{'a' * 32}.log").write_text("nothing\n[1]\n[1, 2]\n")
    book = JobBook(tmp_path)
    assert book.all() == ()
    assert book.log("a" * 32) == (LogLine(1.0, "2"),)


def test_ids_from_outside_are_no_paths(tmp_path: Path) -> None:
    (tmp_path / "secret.log").write_text('[1, "secret"]\n')
    book = JobBook(tmp_path / "jobs")
    assert book.log("../secret") == ()
    assert book.get("../secret") is None
    assert not is_id("a" * 31) and not is_id("A" * 32) and not is_id(f"{'a' * 32}\n") and not is_id(None)


def test_a_record_under_another_name_is_not_taken(tmp_path: Path) -> None:
    book = JobBook(tmp_path)
    made = record()
    book.open(made)
    book.close()
    (tmp_path / f"{made.job_id}.json").rename(tmp_path / f"{'a' * 32}.json")
    assert JobBook(tmp_path).all() == ()


def test_a_disk_that_refuses_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    book = JobBook(tmp_path / "jobs")
    made = record()
    book.open(made)
    book.say(made.job_id, "handed in")
    ended = book.advance(made.job_id, state="done")
    assert book.get(made.job_id) == ended
    assert [line.text for line in book.log(made.job_id)] == ["handed in"]


def test_what_a_dead_writer_left_is_swept(tmp_path: Path) -> None:
    mine, dead = tmp_path / f".{'a' * 32}.{os.getpid()}.part", tmp_path / f".{'a' * 32}.{2**22 + 1}.part"
    for path in (mine, dead):
        path.write_text("half")
    JobBook(tmp_path).sweep()
    assert mine.exists() and not dead.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"created": "x"}, {"created": 1e400}, {"created": True}, {"pid": "7"}, {"pid": 2**40},
        {"state": "done", "ended": "-"}, {"fraction": None}, {"fraction": 7}, {"owner": None},
        {"parameters": [["a", "b"]]}, {"parameters": {"a": None}}, {"reason": 5}, {"members": "c" * 32},
        {"members": [7]}, {"case_id": ["c"]}, {"state": ["done"]}, {"born": "now"}, {"unexplained": 1}, {"phase": {}},
        {"job_id": 5},
    ],
)  # fmt: skip
def test_one_bad_record_is_none_and_breaks_no_other(tmp_path: Path, change: dict[str, object]) -> None:
    good, bad = record(), record()
    for one, changes in ((good, {}), (bad, change)):
        (tmp_path / f"{one.job_id}.json").write_text(json.dumps(asdict(one) | changes), encoding="utf-8")
    book, new = JobBook(tmp_path), record()
    assert book.all() == (good,)
    book.open(new)
    assert sorted(book.all(), key=lambda one: one.job_id) == sorted((good, new), key=lambda one: one.job_id)
    book.close()
