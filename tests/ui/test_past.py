"""The flight record on the page says what ended each worker, as the verdict's table has it."""

from __future__ import annotations

from pathlib import Path

from core.resources.recorder import Recorder
from core.ui.past import read_past


def test_a_workers_end_carries_its_verdict(tmp_path: Path) -> None:
    with Recorder(tmp_path, role="app", patience_s=30.0) as recorder:
        with recorder.phase("engine", case="sample-01") as step:
            step.worker_end(-9, oom_kills=1, peak_mb=900.0)
        with recorder.phase("engine", case="sample-02") as step:
            recorder.note("kill_intent", what="a job", case="sample-02", reason="level", used_mb=900, limit_mb=1000)
            step.worker_end(-9, oom_kills=0, peak_mb=800.0)
        with recorder.phase("engine", case="sample-03") as step:
            step.worker_end(0, oom_kills=0, peak_mb=100.0)
    ends = [event for event in read_past(tmp_path).events if event.event == "worker end"]
    told = [(event.text("case"), event.text("class"), event.text("confidence")) for event in ends]
    assert told == [
        ("sample-01", "out of memory", "confirmed"),
        ("sample-02", "watchdog", "confirmed"),
        ("sample-03", "clean stop", "confirmed"),
    ]
