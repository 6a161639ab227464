"""Opened results: shared by their content, bounded by number and bytes, given back at once."""

from __future__ import annotations

from pathlib import Path

from core.ui.open_readings import OpenReadings
from core.workflows.looking import look_at
from tests.workflows.test_reading import opened, scene


def test_the_oldest_goes_and_the_newest_stays_whatever_its_size(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 1)
    one, two, three = (opened(result, truth, adc) for _ in range(3))
    kept = OpenReadings(most=2)
    for key, reading in (("a", one), ("b", two)):
        kept.keep(key, reading)
    assert kept.reading("a") is one  # looked at last, so "b" is the oldest now
    kept.keep("c", three)
    assert kept.reading("b") is None and kept.reading("a") is one and len(kept) == 2
    tight = OpenReadings(most_bytes=1)
    tight.keep("a", one)
    tight.keep("b", two)
    assert tight.reading("a") is None and tight.reading("b") is two


def test_bytes_are_counted_and_given_back(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 2)
    reading = opened(result, truth, adc)
    kept = OpenReadings()
    kept.keep("a", reading)
    assert kept.nbytes == reading.nbytes >= 10 * reading.levels.size
    kept.note("look", look_at(result, reading, 0.7, 0.0, tmp_path / "views"))
    kept.clear()
    assert kept.nbytes == 0 and kept.reading("a") is None and kept.look("look") is None


def test_a_look_whose_files_are_gone_is_forgotten(tmp_path: Path) -> None:
    result, truth, adc = scene(tmp_path, 3)
    kept = OpenReadings(most_looks=2)
    looks = [look_at(result, opened(result, truth, adc), at, 0.0, tmp_path / "views") for at in (0.3, 0.6, 0.9)]
    for number, look in enumerate(looks):
        kept.note(number, look)
    assert kept.look(0) is None and kept.look(2) == looks[2]
    looks[2].mask.unlink()
    assert kept.look(2) is None and kept.look(1) == looks[1]
