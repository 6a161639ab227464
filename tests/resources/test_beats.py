"""Heartbeats come back as they were, each process has a file of its own, and frequent ones are thinned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.resources.beats import (
    COUNT,
    TURNS,
    Beat,
    Vitals,
    open_beats,
    pack_beat,
    read_beats,
    unpack_beat,
    vitals_of,
    worth_keeping,
)
from core.resources.slots import PAYLOAD, SLOT
from tests.ui.readings import reading

finite = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | finite
words = st.text("abcxyz019-.", max_size=24)
beats = st.builds(
    Beat,
    at=st.floats(0, 2e11),
    run=st.text("0123456789abcdef", min_size=12, max_size=12),
    role=st.sampled_from(["app", "supervisor", "worker"]),
    pid=st.integers(0, 2**22),
    born=maybe,
    vitals=st.builds(Vitals, maybe, maybe, maybe, maybe, maybe, maybe, st.none() | st.integers(0, 2**40)),
    phase=words,
    case=st.text("abcxyz019-.", max_size=100),
    kind=words,
    owner=st.sampled_from(["", "app", "visitor"]),
    predicted_mb=maybe,
    errno=st.none() | st.integers(0, 133),
    event=words,
    number=st.integers(0, 2**32 - 1),
    code=st.none() | st.integers(-64, 255),
)


@settings(max_examples=30)
@given(beat=beats)
def test_round_trip(beat: Beat) -> None:
    packed = pack_beat(beat)
    assert len(packed) <= PAYLOAD
    assert unpack_beat(packed) == beat


@settings(max_examples=50)
@given(payload=st.binary(max_size=PAYLOAD))
def test_strange_bytes_are_no_beat_or_one(payload: bytes) -> None:
    found = unpack_beat(payload.ljust(len(pack_beat(Beat(0.0, "", "", 0, None))), b"\xff"))
    assert found is None or isinstance(found.at, float)


def test_long_words_are_cut_not_refused() -> None:
    found = unpack_beat(pack_beat(Beat(1.0, "r" * 40, "app", 1, None, phase="é" * 40, case="c" * 400)))
    assert found is not None
    assert found.case == "c" * 104


def test_each_process_has_its_own_and_the_last_run_stays(tmp_path: Path) -> None:
    first = open_beats(tmp_path, "app")
    second = open_beats(tmp_path, "app")  # a second app over the same folder
    first.write(pack_beat(Beat(1.0, "run1", "app", 1, None)))
    second.write(pack_beat(Beat(2.0, "run2", "app", 2, None)))
    first.close()
    second.close()
    third = open_beats(tmp_path, "app")
    for number in range(COUNT + 5):
        third.write(pack_beat(Beat(3.0 + number, "run3", "app", 3, None)))
    found, damaged = read_beats(tmp_path)
    assert damaged == 0
    assert [beat.run for beat in found[:2]] == ["run1", "run2"]
    assert sum(beat.run == "run3" for beat in found) == COUNT
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == TURNS * COUNT * SLOT
    held = [open_beats(tmp_path, "app") for _ in range(TURNS - 1)]
    with pytest.raises(OSError):
        open_beats(tmp_path, "app")
    for slots in (third, *held):
        slots.close()


def test_what_is_kept_of_a_reading() -> None:
    kept = vitals_of(reading())
    assert kept.ram == reading().memory.fraction
    assert kept.disk == pytest.approx(reading().disk.fraction)
    assert Vitals().ram is None
    assert Vitals(ram_used=1.0, ram_limit=0.0).ram is None


def test_frequent_beats_are_thinned() -> None:
    last = Beat(10.0, "run", "app", 1, None, Vitals(ram_used=50.0, ram_limit=100.0), phase="engine")
    soon = replace(last, at=10.1)
    assert not worth_keeping(soon, last)
    assert worth_keeping(soon, None)
    assert worth_keeping(replace(last, at=11.0), last)
    assert worth_keeping(replace(last, at=9.0), last)  # the clock was set back
    assert worth_keeping(replace(soon, phase="score"), last)
    assert worth_keeping(replace(soon, event="kill intent"), last)
    assert worth_keeping(replace(soon, vitals=Vitals(ram_used=51.5, ram_limit=100.0)), last)
    assert not worth_keeping(replace(soon, vitals=Vitals(ram_used=50.5, ram_limit=100.0)), last)
