"""The diagnostics file: everything a bug report needs, nothing that is secret, private or the name of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.resources.admission import Place
from core.resources.events import Event
from core.resources.ledger import Entry
from core.resources.runs import PreviousRun
from core.resources.safemode import SafeMode
from core.resources.watchdog import Status
from core.resources.watched import Kill
from core.settings import Settings
from core.ui.diagnostics import EVENTS, GuardFacts, diagnostics, facts_of, settings_in_force
from tests.ui.readings import reading


def poisoned(folder: Path) -> Settings:
    """Settings with something private in every field that may hold it."""
    return Settings(
        source="local:/home/someone/Meier_Anna",
        cache_dir=folder / "cache-of-someone",
        state_dir=folder,
        persist_dir=folder / "bucket-of-someone",
        health_port="someone:topsecret@host/9",
        hf_endpoint="https://user:password@hub.example:8443/?key=topsecret",
        hf_token=SecretStr("hf_topsecret"),
    )


def transition(number: int, **facts: Any) -> Event:
    return Event("phase begin", "a" * 12, float(number), "app", 1, None, number, facts)


def test_no_secret_and_no_folder_leaves(tmp_path: Path) -> None:
    settings = poisoned(tmp_path)
    guard = GuardFacts(
        (Place("segmenting Meier_Anna", "engine:diffusion", "Meier_Anna", 612.4, 1, 90.0, "another of Meier_Anna"),),
        (Entry("score", 100.0, 70.0),),
        Status(2, 0, 12.0, ("segmenting Meier_Anna",), None),
        {"local ENOSPC": 3},
    )
    events = [
        transition(1, phase="engine", case="a-3f9c1e", message="Meier_Anna", what="/home/someone/x", ram_mb=5.0),
        transition(2, phase="fetch", case="brain.nii.gz", reason="hf_topsecret", by="someone@host"),
    ]
    found = diagnostics(settings, [reading()], [], supervised=True, sessions=2, guard=guard, events=events)
    text = json.dumps(found, allow_nan=False)
    for secret in ("Meier", "someone", "password", "topsecret", "nii", str(tmp_path)):
        assert secret not in text
    assert found["settings"]["HF_ENDPOINT"] == "https://hub.example:8443"
    assert found["settings"]["source"] == "local folder"
    assert found["settings"]["STROKESCOPE_PERSIST_DIR"] == "set"
    assert found["settings"]["STROKESCOPE_HEALTH_PORT"] == "not an address"
    assert settings_in_force(settings)["HF_TOKEN"] == "set (hidden)"
    assert settings_in_force(settings)["STROKESCOPE_PERSIST_DIR"].endswith("bucket-of-someone")


def test_what_a_bug_report_needs_is_there(tmp_path: Path) -> None:
    run = PreviousRun(
        "out of memory", "probable", ("no stop record",), 0.0, None, phase="decode", case="sub-stroke0033"
    )
    kill = Kill("level", 960.0, 1000.0, 700.0, 300.0, None)
    guard = GuardFacts(
        (Place("scoring", "score", "c", 612.44, 1, 90.0, "RAM is short"),),
        (Entry("score", 100.0, 70.0),),
        Status(2, 1, 12.0, ("scoring",), kill),
        {"local ENOSPC": 3},
    )
    safe = SafeMode(True, "2 abnormal ends", (("decode", "sub-stroke0033"),), 5.0)
    found = diagnostics(
        Settings(state_dir=tmp_path, health_port="127.0.0.1:8502"),
        [reading()],
        [run, run],
        supervised=False,
        sessions=3,
        guard=guard,
        safe=safe,
        events=[transition(number, phase="decode", case="sub-stroke0033") for number in range(EVENTS + 7)],
    )
    assert found["sessions"] == 3
    assert found["queue"] == [{"kind": "score", "memory_mb": 612.4, "position": 1}]
    assert found["ledger"] == [{"kind": "score", "predicted_mb": 100.0, "used_mb": 70.0}]
    assert found["watchdog"]["last_kill"]["reason"] == "level"
    assert found["watchdog"]["workers"] == 1
    assert found["record"]["troubles"] == {"local ENOSPC": 3}
    assert len(found["record"]["events"]) == EVENTS
    assert found["record"]["events"][-1]["facts"] == {"phase": "decode", "case": "sub-stroke0033"}
    assert found["doctor"]["safe_mode"] is True
    assert found["doctor"]["quarantined"] == [{"phase": "decode", "case": "sub-stroke0033"}]
    assert [one["class"] for one in found["doctor"]["runs"]] == ["out of memory", "out of memory"]
    assert found["settings"]["STROKESCOPE_HEALTH_PORT"] == "127.0.0.1:8502"
    json.dumps(found, allow_nan=False)


def test_before_the_first_reading(tmp_path: Path) -> None:
    found = diagnostics(Settings(state_dir=tmp_path), [], [], supervised=False)
    assert (found["doctor"], found["history"], found["watchdog"], found["queue"]) == (None, [], None, [])


def test_the_apps_own_guard_is_asked(world: Path) -> None:
    from core.ui import loaders

    loaders.guard().ledger.note("score", 100.0, 80.0)
    facts = facts_of(loaders.guard())
    assert [entry.kind for entry in facts.entries] == ["score"]
    assert facts.status is not None
    assert facts.places == ()


def test_the_page_makes_the_file_of_what_it_shows(world: Path) -> None:
    from core.ui import loaders
    from core.ui.resources_view import World, report

    settings, guard = loaders.settings(), loaders.guard()
    loaders.recorder().note("threshold", rung="warn", used_mb=5.0, limit_mb=10.0)
    loaders.sampler().sample()
    text = report(settings, loaders.sampler(), (), World(guard, loaders.breaker(), lambda: 2))
    found = json.loads(text)
    assert found["sessions"] == 2
    assert found["record"]["events"][-1]["facts"]["rung"] == "warn"
    assert found["watchdog"]["last_kill"] is None
    assert str(world) not in text
