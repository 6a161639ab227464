"""Settings: what the environment may say."""

from pathlib import Path

import pytest

from core.errors import BadSettings
from core.settings import DEFAULT_SOURCE, load_settings, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16G", 16 * 1024**3),
        ("15Gi", 15 * 1024**3),
        ("500M", 500 * 1024**2),
        ("1024", 1024),
        ("1.5g", 3 * 1024**3 // 2),
    ],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "12 apples", "0", "1e9"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="not a size"):
        parse_size(text)


def test_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STROKESCOPE_SOURCE", "STROKESCOPE_MEMORY_LIMIT", "HF_TOKEN", "MEMORY"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings()
    assert settings.source == DEFAULT_SOURCE
    assert settings.memory_limit is None
    assert settings.cache_dir.is_absolute()


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STROKESCOPE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("STROKESCOPE_MEMORY_LIMIT", "2G")
    monkeypatch.setenv("MEMORY", "15Gi")
    settings = load_settings()
    assert (settings.cache_dir, settings.memory_limit, settings.container_memory) == (
        tmp_path,
        2 * 1024**3,
        15 * 1024**3,
    )


@pytest.mark.parametrize("text", ["lots", "", "0", "16", "16 cores", "1e9"])
def test_a_platforms_variable_that_says_nothing_stops_nobody(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MEMORY", text)
    assert load_settings().container_memory is None


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKESCOPE_DISK_LIMIT", "plenty")
    with pytest.raises(BadSettings, match="STROKESCOPE_DISK_LIMIT"):
        load_settings()


def test_the_token_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    assert "secretsecret" not in repr(load_settings())


@pytest.mark.parametrize(("text", "on"), [("", True), (" ", True), ("off", False), ("0", False), ("on", True)])
def test_metrics_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, text: str, on: bool) -> None:
    monkeypatch.setenv("STROKESCOPE_METRICS", text)
    assert load_settings().metrics is on


def test_a_switch_that_is_neither_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    assert not load_settings().hf_hub_offline
    monkeypatch.setenv("STROKESCOPE_METRICS", "perhaps")
    with pytest.raises(BadSettings, match="STROKESCOPE_METRICS"):
        load_settings()


@pytest.mark.parametrize(("text", "count"), [("", 1), (" ", 1), ("3", 3), ("8", 8)])
def test_how_many_heavy_jobs_run_at_once(monkeypatch: pytest.MonkeyPatch, text: str, count: int) -> None:
    assert load_settings().heavy_jobs == 1
    monkeypatch.setenv("STROKESCOPE_HEAVY_JOBS", text)
    assert load_settings().heavy_jobs == count


@pytest.mark.parametrize("text", ["0", "9", "-1", "two", "1.5"])
def test_a_number_of_heavy_jobs_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STROKESCOPE_HEAVY_JOBS", text)
    with pytest.raises(BadSettings, match="STROKESCOPE_HEAVY_JOBS"):
        load_settings()
