"""Damaged Parquet shards, in a process of their own: a crash inside pyarrow would end the tests as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.stress.campaign import SEED, sizes

ROOT = Path(__file__).parents[2]


@sizes(sample=120, campaign=6_000)
def test_a_damaged_shard_gives_true_images_or_our_error(tmp_path: Path, count: int) -> None:
    options = ("-P", "-W", "error", "-X", "faulthandler", "-m", "tests.stress.shard_fuzz")
    log = tmp_path / "log"
    with log.open("wb") as stream:
        end = subprocess.run(
            [sys.executable, *options, str(SEED), str(count), str(tmp_path / "cache")],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            stderr=stream,
            check=False,
        )
    assert end.returncode == 0, f"STROKESCOPE_SEED={SEED}: {log.read_text()[-3000:]}"
