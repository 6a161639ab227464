"""The lock: one holder among processes and within one, freed by a kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import StagingBusy
from core.publish import lock

ROOT = Path(__file__).parents[2]
HOLDER = (
    "import sys, pathlib; from core.publish import lock\n"
    "with lock.held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def test_another_process_is_kept_out_until_it_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout and holder.stdin
    assert holder.stdout.readline() == b"held\n"
    assert lock.is_held(tmp_path)
    with pytest.raises(StagingBusy, match=rf"process {holder.pid}"), lock.held(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert not lock.is_held(tmp_path)
    with lock.held(tmp_path):
        assert lock.is_held(tmp_path)


def test_it_keeps_out_its_own_process_too_and_is_freed_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock.held(tmp_path):
        with pytest.raises(StagingBusy), lock.held(tmp_path):
            pass
        raise KeyError
    with lock.held(tmp_path):
        pass


def test_looking_does_not_keep_anybody_out_and_makes_no_file(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path) and not list(tmp_path.iterdir())
    with lock.held(tmp_path):
        pass
    assert not lock.is_held(tmp_path)
