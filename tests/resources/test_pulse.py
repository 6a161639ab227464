"""Whether the app answers: told when it changes; an app that lives and does not answer is ended and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources.events import Event, Fact
from core.resources.pulse import Patience, Pulse, Sight, after, answers, is_hung, listener
from core.resources.record import Record, read_record
from core.resources.runs import RunLog, previous_run
from core.resources.verdict import judge
from tests.resources.test_heart import until
from tests.resources.test_supervisor import ROOT, ends, free_port

ELSEWHERE = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="127.0.0.3 is an address on Linux")
PATIENCE = Patience(ask_s=5.0, wait_s=5.0, silent_s=15.0, hang_s=300.0, start_s=1500.0)
SERVE = """
import sys
from pathlib import Path
from core.resources.pulse import Patience
from core.resources.supervisor import Policy, serve
from core.settings import load_settings
port, folder, hang_s = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
patience = Patience(ask_s=0.05, first_s=0.05, wait_s=0.5, silent_s=0.3, hang_s=hang_s)
policy = Policy(grace_s=0.2, max_restarts=1000, first_pause_s=0.01, max_pause_s=0.01, patience=patience)
app = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)]
sys.exit(serve(port, load_settings(), folder / "Home.py", command=app, policy=policy))
"""


@contextmanager
def serving(tmp_path: Path, hang_s: float) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A supervisor with a stand-in that answers, and the port of its endpoint."""
    health = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "STROKESCOPE_STATE_DIR": str(tmp_path / "state")}
    env["STROKESCOPE_HEALTH_PORT"] = str(health)
    argv = [sys.executable, "-c", SERVE, str(free_port()), str(tmp_path), str(hang_s)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    try:
        until_listening(health)
        yield process, health
    finally:
        process.terminate()
        process.wait(timeout=60)


def until_listening(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            return
        except ConnectionRefusedError:
            threading.Event().wait(0.1)
    raise AssertionError("the endpoint never came")


def app_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    (app,) = psutil.Process(process.pid).children()
    return app


def test_silence_and_its_end_are_told(tmp_path: Path) -> None:
    with serving(tmp_path, hang_s=1000.0) as (process, port):
        until(port, lambda said: said["app"]["answers"])
        app_of(process).suspend()
        said = until(port, lambda said: not said["app"]["answers"])
        assert said["app"]["alive"]
        assert said["app"]["silent_s"] > 0
        app_of(process).resume()
        until(port, lambda said: said["app"]["answers"] and said["app"]["silent_s"] == 0)
    told = [event.event for event in read_record(tmp_path / "state").events]
    assert told[:4] == ["run start", "app answers", "app silent", "app answers"]
    assert ends(tmp_path)[-1].text("class") == "clean stop"


def test_an_app_that_hangs_is_ended_and_started_again(tmp_path: Path) -> None:
    with serving(tmp_path, hang_s=1.0) as (process, port):
        until(port, lambda said: said["app"]["answers"])
        app_of(process).suspend()
        said = until(port, lambda said: said["app"]["restarts"] >= 1 and said["app"]["answers"])
        assert said["last_end"] == "hung"
    record = read_record(tmp_path / "state")
    verdict = judge(record, record.runs[0])
    assert (verdict.class_, verdict.confidence, verdict.abnormal) == ("hung", "confirmed", True)
    told = [event.event for event in record.of(record.runs[0]).events]
    assert told.index("kill intent") < told.index("run end")
    assert ends(tmp_path)[-1].text("class") == "clean stop"


def test_an_intent_without_an_end_is_probably_the_same() -> None:
    """The supervisor died between the two."""
    facts: dict[str, Fact] = {"target": "app", "reason": "hung", "silent_s": 300.0}
    events = (Event("run start", "a" * 12, 1.0), Event("kill intent", "a" * 12, 400.0, number=2, facts=facts))
    verdict = judge(Record(events, ()), "a" * 12)
    assert (verdict.class_, verdict.confidence) == ("hung", "probable")


def test_silence_alone_explains_nothing_but_is_said() -> None:
    events = (Event("app answers", "a" * 12, 1.0), Event("app silent", "a" * 12, 40.0, number=2))
    verdict = judge(Record(events, ()), "a" * 12)
    assert (verdict.class_, verdict.confidence) == ("unknown", "none")
    assert "the app had not answered any more" in verdict.evidence
    back = (*events, Event("app answers", "a" * 12, 50.0, number=3))
    assert "the app had not answered any more" not in judge(Record(back, ()), "a" * 12).evidence


def story(asked: list[bool], step_s: float = 5.0) -> tuple[Sight, list[str]]:
    sight, told = Sight(), []
    for answered in asked:
        sight, news = after(sight, answered, step_s, PATIENCE)
        told += [news] if news else []
    return sight, told


def test_a_start_is_given_time() -> None:
    sight, told = story([False] * 299)
    assert (told, is_hung(sight, PATIENCE)) == ([], False)
    sight, told = story([False] * 300)
    assert (told, is_hung(sight, PATIENCE)) == ([], True)


def test_each_change_is_told_once() -> None:
    _, told = story([False, True, True, False, False, True, *[False] * 20, True])
    assert told == ["app answers", "app silent", "app answers"]
    assert not is_hung(story([True, *[False] * 59])[0], PATIENCE)
    assert is_hung(story([True, *[False] * 60])[0], PATIENCE)


def test_who_was_frozen_with_the_app_blames_it_for_little() -> None:
    sight, _ = after(Sight(answered=True), False, 10_000.0, PATIENCE)
    assert sight.silent_s == PATIENCE.longest_s
    assert not is_hung(sight, PATIENCE)


@given(st.lists(st.booleans(), max_size=200), st.floats(0, 1e6))
def test_changes_alternate_and_an_answer_ends_all_silence(asked: list[bool], step_s: float) -> None:
    sight, told = story([*asked, True], step_s)
    assert (sight.silent_s, sight.told, is_hung(sight, PATIENCE)) == (0.0, False, False)
    assert told[0] == "app answers"
    assert all(one != other for one, other in pairwise(told))


def test_an_answer_for_an_app_that_is_gone_counts_for_nobody() -> None:
    told: list[str] = []

    def ask() -> bool:
        pulse.began(2)
        return True

    pulse = Pulse(1, lambda event, **facts: told.append(event), PATIENCE, ask=ask)
    pulse.look()
    pulse.began(1)
    pulse.look()
    assert (told, pulse.sight) == ([], Sight())
    pulse.ended()
    assert not pulse.hung()


@contextmanager
def talking(reply: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each caller is answered so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            caller, _ = server.accept()
            with caller:
                caller.recv(4096)
                reply(caller)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)


def say(text: bytes) -> Callable[[socket.socket], None]:
    return lambda caller: caller.sendall(text)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), True),
        (say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), True),  # it lives below another prefix
        (say(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), False),
        (say(b""), True),  # it hangs up, as one that wants TLS
        (say(b"\x15\x03\x01\x00\x02\x02\x46"), True),
    ],
)
def test_what_counts_as_an_answer(reply: Callable[[socket.socket], None], expected: bool) -> None:
    with talking(reply) as port:
        assert answers("127.0.0.1", port, 30.0) is expected


def test_one_that_accepts_and_says_nothing() -> None:
    """What a process that hangs looks like: the kernel still accepts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert answers("127.0.0.1", server.getsockname()[1], 0.2) is False
    with pytest.raises(ConnectionRefusedError):
        answers("127.0.0.1", free_port(), 10.0)


@ELSEWHERE
def test_an_app_at_another_address_is_found() -> None:
    with socket.create_server(("127.0.0.3", 0)) as server:
        port = server.getsockname()[1]
        assert listener(os.getpid(), port) == "127.0.0.3"
        assert listener(os.getpid(), free_port()) is None
        assert listener(2**22 + 5, port) is None


@ELSEWHERE
def test_the_answer_comes_from_where_the_app_listens(tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.3", "--directory", str(tmp_path), str(port)]
    app = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pulse = Pulse(port, lambda event, **facts: None, Patience(wait_s=30.0))
    pulse.began(app.pid)
    for _ in range(600):
        pulse.look()
        if pulse.sight.answered:
            break
        threading.Event().wait(0.1)
    app.kill()
    app.wait(60)
    assert pulse.sight.answered


def test_a_fresh_container_knows_what_the_hub_says(tmp_path: Path) -> None:
    """Nothing was kept: the Hub's word alone, once; none where it says nothing of use."""
    asked: list[str] = []

    def hub() -> str:
        asked.append("")
        return "Workload evicted, storage limit exceeded (50G)"

    log = RunLog(tmp_path, hub_message=hub)
    (verdict,) = log.settle()
    assert (verdict.class_, verdict.confidence, verdict.abnormal) == ("storage eviction", "probable", True)
    found = previous_run(tmp_path)
    assert found is not None
    assert (found.class_, found.confidence) == ("storage eviction", "probable")
    assert log.settle() == ()
    assert len(asked) == 1
    assert RunLog(tmp_path / "other", hub_message=lambda: "no space left").settle() == ()
    assert previous_run(tmp_path / "other") is None
