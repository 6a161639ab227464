"""The doctor's JSON has its keys and types, is strict JSON, and keeps secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.resources.disk import Usage
from core.resources.doctor import describe, describe_history, doctor, in_words
from core.resources.gpu import Gpu
from core.resources.probe import take_reading
from core.resources.runs import RunLog, judge
from core.resources.safemode import note_end
from core.settings import Settings
from tests.resources.trees import GIB, proc, v2_group, write


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = write(tmp_path / "cg", {"cgroup.controllers": "memory", **v2_group(str(GIB), together="1")})
    state, cache = tmp_path / "state", tmp_path / "cache"
    return Settings(
        cgroup_root=root, state_dir=state, cache_dir=cache, hf_token="hf_secretsecret", disk_limit="500M", space_id=""
    )


def test_keys_and_values(settings: Settings, tmp_path: Path) -> None:
    log = RunLog(settings.state_dir)
    log.end(log.start(), judge(143), 143)
    gpus = (Gpu("T4", 16 << 30, 0, None),)
    found = doctor(
        settings, proc(tmp_path / "proc", "0::/\n"), measure=lambda s: Usage(2_000_000, 1_000_000), gpus=lambda: gpus
    )
    assert found["memory"]["limit_mb"] == 1073.742
    assert found["memory"]["limit_bytes"] == GIB
    assert found["memory"]["limit_source"] == "cgroup v2"
    assert found["memory"]["oom_group"] is True
    disk = found["disk"]
    assert (disk["limit_mb"], disk["used_mb"], disk["cache_mb"]) == (524.288, 2.0, 1.0)
    assert disk["limit_source"] == "STROKESCOPE_DISK_LIMIT"
    assert found["gpu"] == [{"name": "T4", "limit_mb": 17179.869, "used_mb": 0.0, "load_percent": None}]
    previous = {"class": "clean stop", "confidence": "confirmed", "evidence": ["return code 143"]}
    assert found["previous_run"] == {**previous, "phase": None, "case": None, "whom": None}
    assert (found["safe_mode"], found["safe_mode_reason"], found["quarantined"]) == (False, "", [])
    assert [run["class"] for run in found["runs"]] == ["clean stop"]
    assert "secret" not in json.dumps(found, allow_nan=False)


def test_after_deaths_it_says_where_for_whom_and_safe_mode(settings: Settings, tmp_path: Path) -> None:
    log = RunLog(settings.state_dir)
    for _ in range(2):
        run = log.start()
        log.recorder.note("phase begin", phase="engine", case="sub-1", owner="visitor")
        log.end(run, judge(-9, oom_kills=1), -9)
        note_end(settings.state_dir, None, "engine", "sub-1", "out of memory", 5.0, key=run)
    found = doctor(settings, proc(tmp_path / "proc", "0::/\n"), measure=lambda s: Usage(2, 1), gpus=lambda: ())
    told = "\n".join(in_words(found))
    assert "previous run: out of memory (confirmed)" in told
    assert "during engine of sub-1, for a visitor's job" in told
    assert 'safe mode: 2 abnormal ends in the step "engine" of case sub-1' in told
    assert "in quarantine: engine sub-1" in told
    assert "runs before, newest first: out of memory" in told
    assert found["safe_mode"] is True
    json.dumps(found, allow_nan=False)


def test_nothing_known_is_null(settings: Settings, tmp_path: Path) -> None:
    assert list(in_words({**describe(take_reading(settings), None)}))[2] == "previous run: none recorded"
    reading = take_reading(settings, proc(tmp_path / "proc", "0::/\n"))
    found = describe(reading, None)
    assert (found["gpu"], found["previous_run"], found["disk"]["cache_mb"]) == (None, None, 0.0)
    (row,) = describe_history([reading])
    assert row["cpu_percent"] is None
    assert set(row["processes"][0]) == {"role", "rss_mb"}
