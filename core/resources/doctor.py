"""Doctor: the container's state as one JSON object, the same for `python -m core doctor` and the page's download.

MB are 10^6 bytes. Holds no token and no path; a case only by the word that the flight record has for it (phases.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.resources.disk import DiskReading, Usage, measure_usage
from core.resources.gpu import Gpu, read_gpus
from core.resources.memory import MB, MemoryReading
from core.resources.probe import Reading, take_reading
from core.resources.runs import PreviousRun, history
from core.resources.safemode import OFF, SafeMode, safe_mode
from core.settings import Settings


def doctor(
    settings: Settings,
    proc_root: Path = Path("/proc"),
    *,
    measure: Callable[[Settings], Usage] = measure_usage,
    gpus: Callable[[], tuple[Gpu, ...]] = read_gpus,
) -> dict[str, Any]:
    """Measure now, du included (at most about 5 s), and tell.

    Returns:
        `{memory: {limit_mb, used_mb, working_set_mb, limit_source, oom_group, limit_bytes}, disk: {limit_mb, used_mb,
        cache_mb, limit_source, free_mb}, gpu: [{name, limit_mb, used_mb, load_percent}] or null, previous_run: {class,
        confidence, evidence, phase, case, whom} or null, safe_mode, safe_mode_reason, quarantined: [{phase, case}],
        runs: [the same as previous_run, with started_at and ended_at], newest first}`.
    """
    reading = take_reading(settings, proc_root, usage=measure(settings), gpu=gpus())
    state, persist = settings.state_dir, settings.persist_dir
    safe = safe_mode(state, persist)
    runs = history(state, persist_dir=persist)
    return describe(reading, runs[0] if runs else None, safe, runs)


def describe(
    reading: Reading, previous: PreviousRun | None, safe: SafeMode = OFF, runs: Sequence[PreviousRun] = ()
) -> dict[str, Any]:
    """The same from what is there already."""
    return {
        "memory": _memory(reading.memory),
        "disk": _disk(reading.disk),
        "gpu": [_gpu(gpu) for gpu in reading.gpu] or None,
        "previous_run": previous.as_json() if previous else None,
        "safe_mode": safe.active,
        "safe_mode_reason": safe.reason,
        "quarantined": [{"phase": phase, "case": case} for phase, case in safe.quarantined],
        "runs": [{**run.as_json(), "started_at": run.started_at, "ended_at": run.ended_at} for run in runs],
    }


def in_words(found: Mapping[str, Any]) -> Iterator[str]:
    """What `doctor` found, line by line for a terminal."""
    memory, disk = found["memory"], found["disk"]
    yield f"RAM  {memory['used_mb']:.0f} of {memory['limit_mb']:.0f} MB ({memory['limit_source']})"
    yield f"disk {disk['used_mb']:.0f} of {disk['limit_mb']:.0f} MB ({disk['limit_source']})"
    yield from _run_in_words(found["previous_run"])
    if found["safe_mode"]:
        yield f"safe mode: {found['safe_mode_reason']}"
    for pair in found["quarantined"]:
        yield f"in quarantine: {pair['phase']} {pair['case']}".rstrip()
    if len(found["runs"]) > 1:
        yield f"runs before, newest first: {', '.join(run['class'] for run in found['runs'][1:])}"


def _run_in_words(previous: Mapping[str, Any] | None) -> Iterator[str]:
    if previous is None:
        yield "previous run: none recorded"
        return
    sure = "" if previous["confidence"] == "none" else f" ({previous['confidence']})"
    yield f"previous run: {previous['class']}{sure}"
    if previous["phase"]:
        case = f" of {previous['case']}" if previous["case"] else ""
        yield f"  during {previous['phase']}{case}" + (f", for {previous['whom']}" if previous["whom"] else "")
    yield from (f"  {sentence}" for sentence in previous["evidence"])


def describe_history(history: Sequence[Reading]) -> list[dict[str, Any]]:
    """The last minutes, one flat row per reading, oldest first; processes by role only."""
    return [
        {
            "at": round(reading.at, 1),
            "memory_used_mb": _mb(reading.memory.used_bytes),
            "memory_working_set_mb": _mb(reading.memory.working_set_bytes),
            "disk_used_mb": _mb(reading.disk.used_bytes),
            "cpu_percent": None if reading.cpu.load_percent is None else round(reading.cpu.load_percent, 1),
            "processes": [{"role": row.role, "rss_mb": _mb(row.rss_bytes)} for row in reading.processes],
        }
        for reading in history
    ]


def _memory(memory: MemoryReading) -> dict[str, Any]:
    return {
        "limit_mb": _mb(memory.limit_bytes),
        "used_mb": _mb(memory.used_bytes),
        "working_set_mb": _mb(memory.working_set_bytes),
        "limit_source": memory.limit_source,
        "oom_group": memory.oom_group,
        "limit_bytes": memory.limit_bytes,
    }


def _disk(disk: DiskReading) -> dict[str, Any]:
    return {
        "limit_mb": _mb(disk.limit_bytes),
        "used_mb": _mb(disk.used_bytes or 0),
        "cache_mb": _mb(disk.cache_bytes or 0),
        "limit_source": disk.limit_source,
        "free_mb": _mb(disk.free_bytes),
    }


def _gpu(gpu: Gpu) -> dict[str, Any]:
    return {
        "name": gpu.name,
        "limit_mb": _mb(gpu.limit_bytes),
        "used_mb": _mb(gpu.used_bytes),
        "load_percent": gpu.load_percent,
    }


def _mb(size: int | None) -> float | None:
    return None if size is None else round(size / MB, 3)
