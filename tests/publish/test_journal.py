"""The journal: whatever is cut off or flipped, what was told to be kept before is there, and nothing is made up."""

from __future__ import annotations

import errno
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.publish.journal import Entry, Journal, create_journal, read_journal

LINES: list[Entry] = [{"a": 1}, {"b": "ünïcode \n"}, {"c": [1, 2, None]}, {"d": "x" * 50}]


def written(folder: Path) -> bytes:
    """A journal of two lines that were there from the beginning and two that were appended."""
    create_journal(folder / "j", LINES[:2])
    journal = Journal(folder / "j", read_journal(folder / "j").bytes)
    journal.append(LINES[2:3])
    journal.append(LINES[3:])
    journal.close()
    return (folder / "j").read_bytes()


def test_lines_are_read_back_in_their_order(tmp_path: Path) -> None:
    size = len(written(tmp_path))
    read = read_journal(tmp_path / "j")
    assert list(read.entries.items()) == list(enumerate(LINES)) and (read.damaged, read.bytes) == (0, size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j"]


def test_wherever_it_is_cut_the_whole_lines_before_are_there_and_it_goes_on(tmp_path: Path) -> None:
    whole = written(tmp_path)
    ends = [at for at, byte in enumerate(whole) if byte == 10]
    for length in sorted({end + more for end in ends for more in (-1, 0, 1)} | set(range(0, len(whole), 17))):
        (tmp_path / "j").write_bytes(whole[:length])
        read = read_journal(tmp_path / "j")
        count = whole[:length].count(b"\n")
        assert list(read.entries.values()) == LINES[:count] and not read.damaged
        journal = Journal(tmp_path / "j", read.bytes)
        journal.append([{"e": 1}])
        journal.close()
        after = read_journal(tmp_path / "j")
        assert list(after.entries.values()) == [*LINES[:count], {"e": 1}]
        assert after.bytes == (tmp_path / "j").stat().st_size, "nothing of the torn line is left"


def test_zeros_after_the_last_line_are_a_torn_line(tmp_path: Path) -> None:
    whole = written(tmp_path)
    (tmp_path / "j").write_bytes(whole + bytes(4096))
    read = read_journal(tmp_path / "j")
    assert len(read.entries) == 4 and (read.damaged, read.bytes) == (0, len(whole))


@settings(max_examples=25)
@given(at=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_a_flipped_byte_costs_the_lines_it_touches_and_makes_none_up(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    data = bytearray(written(folder))
    data[at % len(data)] ^= flip
    (folder / "j").write_bytes(data)
    read = read_journal(folder / "j")
    assert all(entry in LINES for entry in read.entries.values()) and len(read.entries) >= 2
    assert read.damaged or len(read.entries) <= 3


def test_a_journal_is_there_with_its_first_lines_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        create_journal(tmp_path / "j", [{"good": 1}, {"bad": object()}])
    assert not (tmp_path / "j").exists()


def test_what_cannot_be_written_whole_is_not_there_and_the_next_line_is(tmp_path: Path) -> None:
    size = len(written(tmp_path))
    journal = Journal(tmp_path / "j", size)
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
        with pytest.raises(OSError) as caught:
            journal.append([{"too": "long" * 10}])
        assert caught.value.errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert (tmp_path / "j").stat().st_size == size
    journal.append([{"e": 1}])
    journal.close()
    journal.close()
    assert read_journal(tmp_path / "j").entries[4] == {"e": 1}
    assert (tmp_path / "j").stat().st_size == read_journal(tmp_path / "j").bytes


def test_a_journal_that_is_longer_than_is_read_is_refused_and_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    create_journal(path, [{"n": n} for n in range(9)])
    size = path.stat().st_size
    assert len(read_journal(path, most=size).entries) == 9
    with pytest.raises(OSError, match="large"):
        read_journal(path, most=size - 1)
    assert path.stat().st_size == size
