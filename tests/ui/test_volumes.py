"""The routes that serve files: who may read what, for how long, and what a cache may keep."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.types import Message

from core.errors import ViewerError
from core.ui.volumes import Volumes, current_session, session_alive

BYTES = bytes(range(256)) * 40


@dataclass
class Answer:
    """What came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(volumes: Volumes, address: str, method: str = "GET", **headers: str) -> Answer:
    """One request to the routes, straight into the application."""
    path, _, query = address.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "scheme": "http",
    }
    scope |= {"query_string": query.encode(), "root_path": "", "http_version": "1.1", "server": ("t", 80)}
    scope["headers"] = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    answer = Answer(0, {}, b"")

    asked: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not asked:
            await asyncio.sleep(30)  # a client that waits
        return asked.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    asyncio.run(Starlette(routes=volumes.routes())(scope, receive, send))
    return answer


@dataclass
class World:
    """A registry whose sessions and base path the test decides."""

    folder: Path
    sessions: set[str] = field(default_factory=lambda: {"alice", "bob"})
    base: str = ""

    def __post_init__(self) -> None:
        self.file = self.folder / "sub-secret0001_dwi.nii.gz"
        self.file.write_bytes(BYTES)
        self.volumes = Volumes(alive=lambda s: s in self.sessions, dist=self.folder / "dist", base=lambda: self.base)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path)


def test_file_arrives_as_it_is(world: World) -> None:
    answer = ask(world.volumes, world.volumes.publish("alice", world.file, "dwi.nii.gz"))
    assert answer.status == 200 and answer.body == BYTES
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-length"] == str(len(BYTES))
    assert "content-encoding" not in answer.headers


def test_address_tells_neither_session_nor_path(world: World) -> None:
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    assert "alice" not in address and "secret" not in address and "alice" not in repr(world.volumes)
    key = address.split("/")[2]
    assert len(key) == 64 and key != hashlib.sha256(b"alice").hexdigest()


def test_keys_differ_by_session_path_and_process_but_not_by_asking_again(world: World) -> None:
    def publish(v: Volumes, session: str, path: Path) -> str:
        return v.publish(session, path, "dwi.nii.gz")

    other = world.folder / "b.nii.gz"
    other.write_bytes(BYTES)
    first = publish(world.volumes, "alice", world.file)
    assert first == publish(world.volumes, "alice", world.file)
    again = World(world.folder).volumes
    others = {
        publish(world.volumes, "bob", world.file),
        publish(world.volumes, "alice", other),
        publish(again, "alice", world.file),
    }
    assert len(others | {first}) == 4


def test_304_only_for_the_same_state_of_the_file(world: World) -> None:
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    etag = ask(world.volumes, address).headers["etag"]
    same = ask(world.volumes, address, if_none_match=f'"x", {etag}')
    assert same.status == 304 and same.body == b"" and same.headers["etag"] == etag
    assert ask(world.volumes, address, if_none_match='"x"').status == 200
    world.file.write_bytes(BYTES[:-1])
    assert ask(world.volumes, address, if_none_match=etag).status == 404
    renewed = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    answer = ask(world.volumes, renewed, if_none_match=etag)
    assert renewed != address and answer.status == 200 and answer.body == BYTES[:-1] and answer.headers["etag"] != etag


def test_replaced_file_of_equal_size_and_time_is_another_file(world: World) -> None:
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    state = world.file.stat()
    beside = world.folder / "new"
    beside.write_bytes(BYTES[::-1])
    os.utime(beside, ns=(state.st_atime_ns, state.st_mtime_ns))
    beside.replace(world.file)
    assert ask(world.volumes, address).status == 404


def test_ranges(world: World) -> None:
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    part = ask(world.volumes, address, range="bytes=10-19")
    assert part.status == 206 and part.body == BYTES[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(BYTES)}"
    assert ask(world.volumes, address, range="bytes=999999-").status == 416


def test_session_gone_then_back(world: World) -> None:
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    world.sessions.discard("alice")
    gone = ask(world.volumes, address)
    assert gone.status == 404 and gone.headers["cache-control"] == "no-store" and BYTES[:20] not in gone.body
    world.sessions.add("alice")
    assert ask(world.volumes, address).status == 200


def test_file_gone(world: World) -> None:
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    world.file.unlink()
    assert ask(world.volumes, address).status == 404
    with pytest.raises(ViewerError, match="not on the disk"):
        world.volumes.publish("alice", world.file, "dwi.nii.gz")


@pytest.mark.parametrize(
    "tail", ["", "x", "KEY", "KEY/", "KEY/adc.nii.gz", "KEY/../viewer/viewer.js", "KEY/dwi.nii.gz/x"]
)
def test_everything_else_is_not_here(world: World, tail: str) -> None:
    key = world.volumes.publish("alice", world.file, "dwi.nii.gz").split("/")[2]
    answer = ask(world.volumes, "/vol/" + tail.replace("KEY", key))
    assert answer.status == 404 and answer.headers["content-type"].startswith("text/plain")


@given(st.text(max_size=60))
def test_only_modality_names_stand_in_addresses(name: str) -> None:
    harmless = name.endswith((".nii", ".nii.gz")) and name.split(".nii")[0].replace("-", "").replace("_", "").isalnum()
    if not harmless:
        with pytest.raises(ViewerError, match="name"):
            Volumes(alive=lambda s: True).publish("alice", Path(__file__), name)


def test_plain_nifti_is_not_compressed_on_the_way(world: World) -> None:
    plain = world.folder / "a.nii"
    plain.write_bytes(BYTES)
    answer = ask(world.volumes, world.volumes.publish("bob", plain, "adc.nii"), accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "identity" and answer.body == BYTES


def test_registry_forgets_dead_sessions_and_stays_bounded(world: World) -> None:
    volumes = Volumes(alive=lambda s: s in world.sessions, base=lambda: "", limit=10)
    for i in range(8):
        volumes.publish("bob", world.file, f"b{i}.nii.gz")
    world.sessions.discard("bob")
    kept = [volumes.publish("alice", world.file, f"a{i}.nii.gz") for i in range(10)]
    assert len(volumes) <= 10 and ask(volumes, kept[-1]).status == 200
    volumes.forget_dead()
    first = volumes.publish("alice", world.file, "first.nii.gz")
    for i in range(10):
        volumes.publish("alice", world.file, f"c{i}.nii.gz")
    assert len(volumes) == 10 and ask(volumes, first).status == 404


def test_base_path_stands_before_every_address(tmp_path: Path) -> None:
    world = World(tmp_path, base="/app")
    address = world.volumes.publish("alice", world.file, "dwi.nii.gz")
    assert address.startswith("/app/vol/") and ask(world.volumes, address).status == 200


def test_viewer_code_is_kept_for_ever_under_its_hash_only(world: World) -> None:
    assert world.volumes.bundle_url() is None
    assert ask(world.volumes, "/viewer/viewer.js").status == 404
    dist = world.folder / "dist"
    dist.mkdir()
    (dist / "viewer.js").write_text("one")
    (dist / "NOTICE").write_text("BSD")
    (dist / ".stamp").write_text("x")
    address = world.volumes.bundle_url()
    assert address is not None
    answer = ask(world.volumes, address)
    assert answer.status == 200 and "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert ask(world.volumes, address, if_none_match=answer.headers["etag"]).status == 304
    assert ask(world.volumes, "/viewer/viewer.js?v=old").headers["cache-control"] == "no-cache"
    (dist / "viewer.js").write_text("another")
    assert world.volumes.bundle_url() != address
    assert ask(world.volumes, "/viewer/NOTICE").body == b"BSD"
    for name in (".stamp", "", "../x.nii.gz", "%2e%2e/x"):
        assert ask(world.volumes, f"/viewer/{name}").status == 404


def test_no_session_without_a_running_script() -> None:
    assert current_session() is None
    assert session_alive("anything") is False
