"""Random faults: after a run without them all is there, or exactly what is wrong is named; never a false "done"."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.publish.faulty import combination, rolling_combination


@pytest.mark.parametrize("seed", [1, 8])
def test_faults_in_combination(tmp_path: Path, seed: int) -> None:
    combination(tmp_path, seed)


@pytest.mark.stress
@pytest.mark.parametrize("first", range(100, 300, 20))
def test_two_hundred_combinations_of_faults(tmp_path: Path, first: int) -> None:
    found = [combination(tmp_path / str(seed), seed) for seed in range(first, first + 20)]
    assert found.count("clean") >= 8


@pytest.mark.parametrize("seed", [3])
def test_faults_while_shards_are_freed(tmp_path: Path, seed: int) -> None:
    rolling_combination(tmp_path, seed)


@pytest.mark.stress
@pytest.mark.parametrize("first", range(300, 400, 20))
def test_a_hundred_combinations_of_faults_while_shards_are_freed(tmp_path: Path, first: int) -> None:
    found = [rolling_combination(tmp_path / str(seed), seed) for seed in range(first, first + 20)]
    assert found.count("clean") >= 8
