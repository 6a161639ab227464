"""Volumes: the files that a session may read, and the routes that serve them and the viewer's own code.

A file goes to the browser as it is; nothing is decoded, copied or kept in memory here. Its address holds an unguessable
key bound to the session, the path and the state of the file: neither session id nor path can be read from it, and it
ends with the session, with the file, and when the file changes. The only module that touches Streamlit's internals.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.errors import ViewerError

DIST = Path(__file__).parent / "viewer" / "dist"
BUNDLE = "viewer.js"
LARGEST_REGISTRY = 4096  # addresses; the oldest go first
SWEEP_EVERY = 128  # publications between two looks for sessions that are gone
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}\.nii(\.gz)?")
_ASSETS = {BUNDLE: "text/javascript", "NOTICE": "text/plain; charset=utf-8"}
_YEAR = "public, max-age=31536000, immutable"


def session_alive(session_id: str) -> bool:
    """Whether Streamlit still holds this session."""
    return Runtime.exists() and Runtime.instance().is_active_session(session_id)


def current_session() -> str | None:
    """The id of the session that runs this script, None outside of one. Never put it into an address or a log."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


def configured_base() -> str:
    """Streamlit's server.baseUrlPath as a prefix: "" or "/path"."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


@dataclass(frozen=True)
class _Entry:
    session_id: str
    path: Path
    name: str
    stamp: tuple[int, int, int]


def _stamp(path: Path) -> tuple[int, int, int]:
    """Inode, size and mtime: another file at the same path is another stamp. Raises OSError."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


@dataclass
class Volumes:
    """The registry; one per process, safe to use from several threads.

    Attributes:
        alive: session id -> whether that session still exists.
        dist: folder of the built viewer.
        base: function giving the prefix of all addresses, "" or "/path".
    """

    alive: Callable[[str], bool] = session_alive
    dist: Path = DIST
    base: Callable[[], str] = configured_base
    limit: int = LARGEST_REGISTRY
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _entries: OrderedDict[str, _Entry] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _published: int = field(default=0, repr=False)
    _digest: tuple[tuple[int, int, int], str] | None = field(default=None, repr=False)

    def publish(self, session_id: str, path: Path, name: str) -> str:
        """Let a session read a file; the address path, the same for the same file in the same state.

        Args:
            name: what the address ends with, e.g. "dwi.nii.gz": a modality, never a patient's id.

        Raises:
            ViewerError: the file is not there, or the name could not stand in an address.
        """
        if not _NAME.fullmatch(name):
            raise ViewerError("an image needs a modality's name with .nii or .nii.gz", hint="report this fault")
        try:
            stamp = _stamp(path)
        except OSError:
            raise ViewerError("the image is not on the disk any more", hint="open the case again") from None
        text = "\0".join([session_id, str(path), name, *map(str, stamp)])
        key = hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
        with self._lock:
            self._entries[key] = _Entry(session_id, path, name, stamp)
            self._entries.move_to_end(key)
            self._published += 1
            due = len(self._entries) > self.limit or self._published % SWEEP_EVERY == 0
        if due:
            self.forget_dead()
        return f"{self.base()}/vol/{key}/{name}"

    def forget_dead(self) -> None:
        """Drop what belongs to sessions that are gone, then the oldest until the registry fits its limit."""
        with self._lock:
            sessions = {entry.session_id for entry in self._entries.values()}
        gone = {session for session in sessions if not self.alive(session)}
        with self._lock:
            for key in [key for key, entry in self._entries.items() if entry.session_id in gone]:
                del self._entries[key]
            while len(self._entries) > self.limit:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)

    def bundle_url(self) -> str | None:
        """Address path of the viewer's code, with its content hash; None when the viewer is not built."""
        found = self._bundle_hash()
        return None if found is None else f"{self.base()}/viewer/{BUNDLE}?v={found}"

    def _bundle_hash(self) -> str | None:
        path = self.dist / BUNDLE
        try:
            stamp = _stamp(path)
            if self._digest is None or self._digest[0] != stamp:
                self._digest = (stamp, hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        except OSError:
            return None
        return self._digest[1]

    def routes(self) -> list[Route]:
        """The routes for `st.App(..., routes=...)`."""
        base = self.base()
        return [
            Route(f"{base}/vol/{{rest:path}}", self._volume, methods=["GET", "HEAD"]),
            Route(f"{base}/viewer/{{rest:path}}", self._asset, methods=["GET", "HEAD"]),
        ]

    def _volume(self, request: Request) -> Response:
        key, _, name = str(request.path_params["rest"]).partition("/")
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or entry.name != name:
            return _absent()
        try:
            present = self.alive(entry.session_id) and _stamp(entry.path) == entry.stamp
        except OSError:
            present = False
        if not present:
            return _absent()
        headers = {
            "etag": f'"{key[:32]}"',  # the key already depends on the file's state
            "cache-control": "private, no-cache",
            "x-content-type-options": "nosniff",
        }
        if name.endswith(".nii"):
            headers["content-encoding"] = "identity"  # keeps the length known: no compression on the way
        return _file(
            request, entry.path, "application/gzip" if name.endswith(".gz") else "application/octet-stream", headers
        )

    def _asset(self, request: Request) -> Response:
        name = str(request.path_params["rest"])
        path = self.dist / name
        if name not in _ASSETS or not path.is_file():
            return _absent()
        found = self._bundle_hash()
        current = name == BUNDLE and request.query_params.get("v") == found
        headers = {"cache-control": _YEAR if current else "no-cache", "x-content-type-options": "nosniff"}
        if name == BUNDLE:
            headers["etag"] = f'"{found}"'
        return _file(request, path, _ASSETS[name], headers)


def _absent() -> Response:
    return PlainTextResponse(
        "not here: the session ended or the file was removed\n", 404, {"cache-control": "no-store"}
    )


def _file(request: Request, path: Path, kind: str, headers: dict[str, str]) -> Response:
    """The file, or 304 when the browser has this very state of it; ranges are Starlette's work."""
    etag = headers.get("etag")
    asked = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag is not None and (etag in asked or "*" in asked):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, headers=headers, media_type=kind)
