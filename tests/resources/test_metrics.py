"""OpenMetrics text keeps the format's rules."""

from __future__ import annotations

from core.resources.beats import Vitals
from core.resources.metrics import Metric, counter, gauge, of_container, of_processes, render
from core.resources.processes import ProcessRow


def test_the_text() -> None:
    told = render([gauge("app_up", "Up.", 1.0), counter("app_restarts", "Starts.", 3), gauge("gone", "Unknown.", None)])
    assert told.splitlines() == [
        "# TYPE strokescope_app_up gauge",
        "# HELP strokescope_app_up Up.",
        "strokescope_app_up 1",
        "# TYPE strokescope_app_restarts counter",
        "# HELP strokescope_app_restarts Starts.",
        "strokescope_app_restarts_total 3",
        "# EOF",
    ]
    assert told.endswith("# EOF\n")
    assert render([]) == "# EOF\n"
    assert render([gauge("x", "h", float("nan"))]) == "# EOF\n"


def test_labels_are_escaped() -> None:
    odd = Metric("x", "gauge", 'a "b"\n', (({"role": 'w"\\\n'}, 0.5),))
    assert render([odd]).splitlines()[2] == 'strokescope_x{role="w\\"\\\\\\n"} 0.5'


def test_the_container_and_its_processes() -> None:
    text = render(of_container(Vitals(ram_used=5.0, ram_limit=10.0, oom_kills=2)))
    assert "strokescope_memory_used_bytes 5" in text
    assert "strokescope_oom_kills_total 2" in text
    assert "disk" not in text
    rows = [ProcessRow(1, "app", 7, 0.0), ProcessRow(2, "worker", 8, 0.0), ProcessRow(3, "worker", 9, 0.0)]
    text = render(of_processes([*rows, ProcessRow(4, "/home/x/program", 1, 0.0)]))
    assert 'strokescope_process_resident_bytes{role="worker"} 17' in text
    assert "strokescope_workers 2" in text
    assert "home" not in text
