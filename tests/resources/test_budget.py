"""Sums, refusals in words, predictions and what is learnt from real use."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import OverBudget
from core.resources import cost
from core.resources.budget import Decision, Help, advice, decide, decide_disk, refusal, require
from core.resources.ledger import FILE, KEEP, LEAST, MAX_BYTES, MOST, Ledger, factor_of, read_entries


@given(mb=st.floats(0, 1e5), used=st.floats(0, 1e5), limit=st.floats(1, 1e5))
def test_more_is_never_easier(mb: float, used: float, limit: float) -> None:
    if decide(mb, used, limit).admitted:
        assert used + mb < limit
        assert decide(mb / 2, used, limit).admitted and decide(mb, used / 2, limit).admitted
    assert decide_disk(0, 0, limit).admitted


def test_disk_keeps_its_margin() -> None:
    assert decide_disk(400, 1000, 2000).admitted
    assert not decide_disk(800, 1000, 2000).admitted
    assert decide_disk(100, -5, 2000).free_mb == 0


def test_a_refusal_tells_the_numbers_and_what_helps() -> None:
    decision = Decision(False, 3100, 2400, 15_000)
    helps = [Help("clear the cache", "disk", 9000), Help("close the open cases", "RAM", 900), Help("x", "RAM", 0)]
    error = refusal("scoring", decision, helps)
    assert str(error) == "scoring needs 3.1 GB of RAM, 2.4 GB is free of 15.0 GB"
    assert error.hint == "close the open cases (0.90 GB)"
    assert "larger machine" in advice(decision, [Help("close the open cases", "RAM", 100)])
    assert "wait" in advice(decision, ())
    assert "clear the cache" in advice(Decision(False, 3100, 2400, 15_000, "disk"), helps)
    with pytest.raises(OverBudget):
        require("it", decision)
    require("it", Decision(True, 1, 2, 3))


def test_what_steps_take_besides_their_peak() -> None:
    assert cost.fetch_step(50_000_000).disk_mb == 50
    assert cost.engine_step("x", 500, 1_000_000).heavy
    assert cost.address_space_mb(100) == 4000 and cost.address_space_mb(2000) == 8000


@pytest.mark.parametrize(
    ("voxels", "foreground", "measured"),
    [
        (4_000_000, 157_000, 104),
        (4_000_000, 3_944_000, 133),
        (4_000_000, 4_000_000, 273),  # half of the voxels, at random, in each
        (4_000_000, 800_000, 154),  # 10 % noise
        (22_200_000, 878_000, 167),
        (22_200_000, 13_138_000, 275),
        (22_200_000, 2_220_000, 337),  # 5 % noise
    ],
)
def test_scoring_is_never_predicted_too_low(voxels: int, foreground: int, measured: float) -> None:
    assert cost.score_mb(voxels, foreground) > measured * 0.95
    assert cost.score_mb(voxels, foreground) <= cost.score_mb(voxels, None)


@given(st.lists(st.floats(0.01, 100), max_size=80))
def test_the_factor_is_bounded_and_needs_some_steps(ratios: list[float]) -> None:
    factor = factor_of(ratios)
    assert LEAST <= factor <= MOST
    if len(ratios) < 5:
        assert factor == 1.0
    elif LEAST <= factor < MOST:
        assert sum(r <= factor + 1e-9 for r in ratios[-KEEP:]) >= 0.9 * len(ratios[-KEEP:])


def test_one_outlier_is_not_a_lesson() -> None:
    assert factor_of([0.8] * 30 + [9.0]) == 0.8


def test_what_was_learnt_survives_a_restart_and_torn_lines(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for _ in range(9):
        assert ledger.note("score", 100, 150)
    assert ledger.factor("score") == 1.5 and ledger.factor("engine:x") == 1.0
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes() + b'{"kind": "score", "predicted_mb": 1')
    assert Ledger(tmp_path).note("score", 100, 150)
    assert len(Ledger(tmp_path).entries("score")) == 10
    assert Ledger(tmp_path).factor("score") == 1.5


@given(data=st.binary(max_size=300))
def test_a_damaged_file_teaches_nothing_strange(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("ledger") / FILE
    path.write_bytes(b'{"kind": "a", "predicted_mb": 100, "used_mb": 90}\n' + data)
    for entries in read_entries(path).values():
        assert all(0 < entry.ratio < float("inf") for entry in entries)


@pytest.mark.parametrize(
    "row", ["[1]", '{"kind": "a"}', '{"kind": "a", "predicted_mb": NaN, "used_mb": 1}', "[" * 9999]
)
def test_strange_rows_are_skipped(tmp_path: Path, row: str) -> None:
    (tmp_path / FILE).write_text(row)
    assert read_entries(tmp_path / FILE) == {}


def test_whatever_stands_in_the_files_place_costs_little(tmp_path: Path) -> None:
    path, row = tmp_path / FILE, b'{"kind": "a", "predicted_mb": 100, "used_mb": 90}\n'
    with path.open("wb") as file:
        file.truncate(20_000_000_000)  # more than there is RAM
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + row)
    assert [entry.used_mb for entry in read_entries(path)["a"]] == [90]
    path.unlink()
    os.mkfifo(path)
    assert read_entries(path) == {}
    kept: list[bool] = []
    writer = threading.Thread(target=lambda: kept.append(Ledger(tmp_path).note("score", 100, 90)), daemon=True)
    writer.start()
    writer.join(20)
    assert kept == [False]


def test_no_kind_pushes_another_out_of_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(1200):
        ledger.note(f"a rather long kind of step, number {number % 12}", 100, 90)
    kinds = [{entry.kind for entry in one.entries()} for one in (Ledger(tmp_path), ledger)]
    assert kinds[0] == kinds[1] and len(kinds[0]) == 12


def test_the_file_is_bounded_and_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(1500):
        ledger.note(f"kind{number % 3}", 100 + number, 90)
    assert (tmp_path / FILE).stat().st_size < MAX_BYTES + 1000
    assert len(ledger.entries("kind1")) == KEEP
    assert not list(tmp_path.glob(".*"))
    (tmp_path / "file").write_text("")
    blocked = Ledger(tmp_path / "file" / "state")
    assert not blocked.note("score", 100, 90)
    assert len(blocked.entries()) == 1
    assert not blocked.note("score", 0, 90) and not blocked.note("score", 100, float("nan"))
