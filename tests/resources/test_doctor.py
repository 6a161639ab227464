"""The doctor's JSON has its keys and types, is strict JSON, and keeps secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.resources.disk import Usage
from core.resources.doctor import describe, describe_history, doctor
from core.resources.gpu import Gpu
from core.resources.probe import take_reading
from core.resources.runs import RunLog, judge
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
    assert found["previous_run"] == {"class": "clean stop", "confidence": "confirmed", "evidence": ["return code 143"]}
    assert found["safe_mode"] is False
    assert "secret" not in json.dumps(found, allow_nan=False)


def test_nothing_known_is_null(settings: Settings, tmp_path: Path) -> None:
    reading = take_reading(settings, proc(tmp_path / "proc", "0::/\n"))
    found = describe(reading, None)
    assert (found["gpu"], found["previous_run"], found["disk"]["cache_mb"]) == (None, None, 0.0)
    (row,) = describe_history([reading])
    assert row["cpu_percent"] is None
    assert set(row["processes"][0]) == {"role", "rss_mb"}
