"""Transitions come back whole or not at all; both places are bounded; folders and tokens stay out."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources import events
from core.resources.events import (
    FILE,
    MAX_BYTES,
    NEXT,
    OLDER,
    Event,
    append,
    clean,
    decode,
    encode,
    prune,
    put_file,
    read_files,
    read_lines,
)

EVENT = Event("phase begin", "abcdef012345", 12.5, "app", 42, 3.25, 1, {"phase": "engine", "predicted_mb": 812.5})


def test_round_trip(tmp_path: Path) -> None:
    told = [replace(EVENT, number=number) for number in range(5)]
    append(tmp_path, told[:2])
    append(tmp_path, told[2:])
    assert read_lines(tmp_path) == (tuple(told), 0)


@settings(max_examples=60)
@given(cut=st.integers(0, 400), place=st.integers(0, 200), bit=st.integers(0, 7))
def test_a_torn_or_flipped_line_is_no_event(cut: int, place: int, bit: int) -> None:
    line = encode(EVENT)
    assert decode(line) == EVENT
    assert decode(line[:cut]) in (None, EVENT) and (cut >= len(line)) == (decode(line[:cut]) is not None)
    flipped = bytearray(line)
    flipped[place % len(line)] ^= 1 << bit
    assert decode(bytes(flipped)) is None


@settings(max_examples=40)
@given(body=st.binary(max_size=60))
def test_strange_lines_never_raise(body: bytes) -> None:
    assert decode(body) is None


@settings(max_examples=30)
@given(
    body=st.dictionaries(st.sampled_from(["event", "run", "at", "role", "pid", "born", "n", "facts"]), st.integers())
)
def test_a_right_checksum_is_not_enough(body: dict[str, int]) -> None:
    import zlib

    text = json.dumps(body).encode()
    assert decode(b"%08x %s" % (zlib.crc32(text), text)) is None


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    append(tmp_path, [EVENT])
    with (tmp_path / FILE).open("ab") as file:
        file.write(encode(EVENT)[:30])
    append(tmp_path, [replace(EVENT, number=2)])
    found, damaged = read_lines(tmp_path)
    assert ([event.number for event in found], damaged) == ([1, 2], 1)


def test_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    for start in range(0, 6000, 500):
        append(tmp_path, [replace(EVENT, number=number) for number in range(start, start + 500)])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * MAX_BYTES
    assert {path.name for path in tmp_path.iterdir()} == {FILE, OLDER}
    found, damaged = read_lines(tmp_path)
    assert ([event.number for event in found][-700:], damaged) == (list(range(5300, 6000)), 0)


def test_how_runs_began_and_ended_outlives_what_came_between(tmp_path: Path) -> None:
    ends = [replace(EVENT, event=name, run=f"{n:012d}") for n in range(30) for name in ("run start", "run end")]
    append(tmp_path, ends)
    for start in range(0, 6000, 500):
        append(tmp_path, [replace(EVENT, number=number) for number in range(start, start + 500)])
    found, damaged = read_lines(tmp_path)
    assert (list(found[:40]), damaged) == (ends[20:], 0)
    assert {event.event for event in found[40:]} == {EVENT.event}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * MAX_BYTES


def test_where_the_next_file_cannot_begin_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / NEXT).mkdir()
    append(tmp_path, [replace(EVENT, event="run start")])
    for start in range(0, 6000, 500):
        append(tmp_path, [replace(EVENT, number=number) for number in range(start, start + 500)])
        assert (tmp_path / FILE).stat().st_size < 3 * MAX_BYTES
    assert read_lines(tmp_path)[0][0].event == "run start"
    assert (tmp_path / OLDER).stat().st_size < 3 * MAX_BYTES


def test_several_writers_tear_nothing(tmp_path: Path) -> None:
    def write(who: int) -> None:
        for number in range(60):
            append(tmp_path, [replace(EVENT, pid=who, number=number)])

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, damaged = read_lines(tmp_path)
    assert (len({event.key for event in found}), damaged) == (240, 0)


def test_files_of_a_bucket_are_immutable_bounded_and_read_in_order(tmp_path: Path) -> None:
    for number in range(30):
        put_file(tmp_path, replace(EVENT, at=1e9 + number, number=number))
    with pytest.raises(FileExistsError):
        put_file(tmp_path, replace(EVENT, at=1e9, number=0))
    prune(tmp_path, keep=10)
    (tmp_path / "2-torn.json").write_bytes(encode(EVENT)[:20])
    found, damaged = read_files(tmp_path)
    assert ([event.number for event in found], damaged) == (list(range(20, 30)), 1)


def test_files_of_one_millisecond_are_read_in_order(tmp_path: Path) -> None:
    for number in (8, 9, 10, 99, 100):
        put_file(tmp_path, replace(EVENT, number=number))
    assert [event.number for event in read_files(tmp_path)[0]] == [8, 9, 10, 99, 100]


def test_a_slow_bucket_gives_the_newest_in_time(tmp_path: Path) -> None:
    for number in range(5):
        put_file(tmp_path, replace(EVENT, at=1e9 + number, number=number))
    ticks = iter(range(100))
    found, _ = read_files(tmp_path, limit_s=25.0, ticks=lambda: 10.0 * next(ticks))
    assert [event.number for event in found] == [3, 4]
    assert read_files(tmp_path / "none") == ((), 0)


def test_private_words_and_strange_values_stay_out() -> None:
    kept = clean(
        {
            "folder": "/home/anna/scan.nii.gz",
            "windows": "C:\\scans",
            "token": "x hf_abcdefghijkl",
            "case": "sub-stroke0001",
            "nan": float("nan"),
            "many": ["a", "/b"],
            "long": "x" * 1000,
            "lines": "one\ntwo",
        }
    )
    assert [kept[name] for name in ("folder", "windows", "token")] == ["(left out)"] * 3
    assert (kept["case"], kept["nan"], kept["many"]) == ("sub-stroke0001", None, ("a", "(left out)"))
    assert (len(str(kept["long"])), kept["lines"]) == (events.WORD, "one two")


def test_no_room_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        append(tmp_path / "file" / "folder", [EVENT])
    with pytest.raises(OSError):
        put_file(tmp_path / "file", EVENT)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
