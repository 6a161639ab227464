"""Answers: what the test Hub says to one request, decided without sending it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hubserver.faults import Fault

if TYPE_CHECKING:
    from tests.hubserver.server import Dataset, HubServer, Stored

_INFO = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?")
_PATHS = re.compile(r"/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)")
_RESOLVE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_CDN = re.compile(r"/cdn/([^/]+/[^/]+)/(.+)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Answer:
    """A response: `read(start, stop)` gives parts of its body of `length` bytes."""

    status: int
    headers: Mapping[str, str]
    length: int = 0
    read: Callable[[int, int], bytes] = field(default=lambda start, stop: b"")


def answer_for(
    hub: HubServer, request: BaseHTTPRequestHandler, body: bytes, token: str | None, fault: Fault | None
) -> Answer:
    """The answer to a request, faults of its head included."""
    for where, made in hub.answers.items():
        if re.search(where, request.path):
            return made(request.path)
    if fault and fault.kind == "status":
        return json_answer({"error": "as asked"}, fault.status, dict(fault.headers))
    if fault and fault.kind == "json":
        return text_answer("<html>not what you wanted</html>", headers={"Content-Type": "text/html"})
    if fault and fault.kind in ("dead", "circle", "scheme", "expired"):
        places = {
            "dead": hub.dead_url,
            "expired": f"{hub.cdn_url}/expired",
            "circle": f"{hub.url}{request.path}",
            "scheme": "ftp://127.0.0.1/file",
        }
        return text_answer("Found", 302, {"Location": places[fault.kind]})
    if fault and fault.kind == "heads":
        return text_answer("{}", headers={f"X-{n}": "x" * 8000 for n in range(30)})
    parts = urlsplit(request.path)
    if parts.path == "/expired":
        return text_answer("<Error><Code>AccessDenied</Code></Error>", 403, {"Content-Type": "application/xml"})
    path, query = unquote(parts.path), parse_qs(parts.query)
    asked = request.headers.get("Range")
    from tests.hubserver.writes import write_answer

    written = write_answer(hub, request.command, path, body, token, fault)
    if written is not None:
        return written
    if found := _CDN.fullmatch(path):
        return _file(hub, hub.datasets[found[1]].files[found[2]], {}, asked, fault)
    for pattern, respond in ((_RESOLVE, _resolve), (_TREE, _tree), (_PATHS, _paths), (_INFO, _info)):
        if found := pattern.fullmatch(path):
            dataset = hub.datasets.get(found[1])
            if dataset is None or (dataset.token is not None and dataset.token != token):
                return _error("RepoNotFound", 401)
            if found[2] not in (None, "main", dataset.commit):
                return _error("RevisionNotFound", 404)
            return respond(Context(hub, dataset, found, query, body, asked, fault))
    return json_answer({"error": "Not Found"}, 404, {})


@dataclass(frozen=True)
class Context:
    """One request to a dataset that exists."""

    hub: HubServer
    dataset: Dataset
    found: re.Match[str]
    query: Mapping[str, list[str]]
    body: bytes
    asked: str | None
    fault: Fault | None


def _info(c: Context) -> Answer:
    siblings = [{"rfilename": path} for path in c.dataset.files]
    private = c.dataset.token is not None or c.found[1] in c.hub.writes.private
    info: dict[str, Any] = {"_id": "0" * 24, "id": c.found[1], "sha": c.dataset.commit, "private": private}
    if c.query.get("expand") != ["sha"]:
        info |= {"gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings}
    return json_answer(info)


def _tree(c: Context) -> Answer:
    if not c.dataset.tree:
        c.dataset.tree = [_entry(path, file) for path, file in sorted(c.dataset.files.items())]
    under = (c.found[3] or "").rstrip("/")
    entries = [e for e in c.dataset.tree if not under or str(e["path"]).startswith(under + "/")]
    if under and not entries:
        return _error("EntryNotFound", 404)
    if "recursive" not in c.query or c.query["recursive"][0].lower() == "false":
        entries = _one_level(entries, under)
    first = int(c.query.get("cursor", ["0"])[0])
    page = entries[first : first + c.hub.page]
    headers = {}
    if first + len(page) < len(entries):
        headers["Link"] = f'<{c.hub.url}{c.found[0]}?recursive=true&cursor={first + len(page)}>; rel="next"'
    return json_answer(page, 200, headers)


def _one_level(entries: list[dict[str, object]], under: str) -> list[dict[str, object]]:
    depth = len(under) + 1 if under else 0
    found: dict[str, dict[str, object]] = {}
    for entry in entries:
        name, slash, _ = str(entry["path"])[depth:].partition("/")
        full = f"{under}/{name}" if under else name
        found[full] = {"type": "directory", "path": full, "oid": "0" * 40, "size": 0} if slash else entry
    return list(found.values())


def _paths(c: Context) -> Answer:
    wanted = parse_qs(c.body.decode()).get("paths") or json.loads(c.body or b"{}").get("paths", [])
    files = c.dataset.files
    return json_answer([_entry(path, files[path]) for path in wanted if path in files])


def _entry(path: str, file: Stored) -> dict[str, object]:
    size = file.size if file.told is None else file.told
    blob = hashlib.sha1(file.oid.encode()).hexdigest() if file.oid else file.digest(git=True)  # of a pointer, or of it
    entry: dict[str, object] = {"type": "file", "path": path, "size": size, "oid": blob}
    if file.lfs:
        entry["lfs"] = {"oid": file.oid or file.digest(git=False), "size": size, "pointerSize": 134}
    return entry


def _resolve(c: Context) -> Answer:
    file = c.dataset.files.get(c.found[3])
    if file is None:
        return _error("EntryNotFound", 404)
    headers = {"X-Repo-Commit": c.dataset.commit, "ETag": f'"{c.found[3]}"'}
    if c.hub.redirect and file.lfs:
        headers |= {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{c.found[3]}"'}
        headers["Location"] = f"{c.hub.cdn_url}/cdn/{c.found[1]}/{c.found[3]}?signature=x"
        return Answer(302, headers, 5, lambda start, stop: b"Found"[start:stop])
    return _file(c.hub, file, headers, c.asked, c.fault)


def _file(hub: HubServer, file: Stored, headers: dict[str, str], asked: str | None, fault: Fault | None) -> Answer:
    """Its content, unless the storage lost it."""
    if file.oid in hub.lost:
        return text_answer("<Error><Code>NoSuchKey</Code></Error>", 404, {"Content-Type": "application/xml"})
    return _content(file, headers, asked, fault)


def _content(file: Stored, headers: dict[str, str], asked: str | None, fault: Fault | None) -> Answer:
    headers = {**headers, "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    found = _RANGE.fullmatch(asked or "")
    if not found or (fault and fault.kind == "ignore_range"):
        return Answer(200, headers, file.size, file.read)
    first, last = _bounds(found, file.size)
    if fault and fault.kind == "shifted":
        first, last = first - 1, last - 1
    if first > last:
        return text_answer("", 416, {"Content-Range": f"bytes */{file.size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    return Answer(206, headers, last + 1 - first, lambda start, stop: file.read(first + start, first + stop))


def _bounds(found: re.Match[str], size: int) -> tuple[int, int]:
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    return int(found[1]), min(int(found[2] or size - 1), size - 1)


def _error(code: str, status: int) -> Answer:
    return json_answer({"error": code}, status, {"X-Error-Code": code, "X-Error-Message": code})


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """JSON."""
    return text_answer(json.dumps(value), status, {"Content-Type": "application/json", **(headers or {})})


def text_answer(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Text."""
    data = text.encode()
    return Answer(status, headers or {}, len(data), lambda start, stop: data[start:stop])
