"""Floors: the least that any reader must do, by the standard library alone, told beforehand where the bytes lie."""

from __future__ import annotations

import hashlib
import http.client
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.hub_task import THREADS, Proof, Task, digest


def get(address: str, asked: str, target: Path | None = None) -> bytes:
    """One ranged GET by hand, through one redirect at most; into the target or into memory.

    Raises:
        OSError: the answer is not that range, or shorter than promised.
    """
    for _ in range(2):
        parts = urlsplit(address)
        line = http.client.HTTPConnection(parts.netloc, timeout=120)
        try:
            line.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers={"Range": asked})
            answer = line.getresponse()
            if answer.status == 302:
                address = answer.headers["Location"]
                continue
            if answer.status != 206:
                raise OSError(f"status {answer.status}")
            if target is None:
                return answer.read()
            left = int(answer.headers["Content-Length"])
            with target.open("wb") as file:
                while block := answer.read(1 << 18):
                    left -= file.write(block)
            if left:
                raise OSError("too short")
            return b""
        finally:
            line.close()
    raise OSError("redirected twice")


def _address(task: Task, path: str) -> str:
    return f"{task.url}/datasets/{task.repo}/resolve/{task.commit}/{path}"


def span(task: Task) -> Callable[[], Proof]:
    """The images' bytes and nothing else, to disk."""
    target, (first, last) = task.place / "span", task.span

    def go() -> Proof:
        get(_address(task, task.path), f"bytes={first}-{last}", target)
        return lambda: digest([target])

    return go


def checked(task: Task) -> Callable[[], Proof]:
    """The same bytes, and what a reader that believes nobody must do: unpack for the CRC, hash, bring to the disk."""
    first, last = task.span

    def keep(name: str, body: memoryview) -> Path:
        stream, rest = zlib.decompressobj(wbits=31), bytes(body)
        while rest:
            stream.decompress(rest, 1 << 20)
            rest = stream.unconsumed_tail
        stream.flush()
        if not stream.eof:
            raise OSError("ends too early")
        target = task.place / f"{name}-{hashlib.sha256(body).hexdigest()}"
        with target.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        return target

    def go() -> Proof:
        body = memoryview(get(_address(task, task.path), f"bytes={first}-{last}"))
        places = zip(task.names, task.starts, task.sizes, strict=True)
        kept = [keep(name, body[start - first : start - first + size]) for name, start, size in places]
        return lambda: digest(kept)

    return go


def header(task: Task) -> Callable[[], Proof]:
    """The first KB of the 4D image."""
    first, last = task.header_span

    def go() -> Proof:
        body = get(_address(task, task.path), f"bytes={first}-{last}")
        return lambda: digest([body])

    return go


def tails(task: Task) -> Callable[[], Proof]:
    """The last bytes of every shard, 16 at a time, to disk."""

    def one(numbered: tuple[int, str]) -> Path:
        target = task.place / f"tail-{numbered[0]}"
        get(_address(task, numbered[1]), f"bytes=-{task.tail}", target)
        return target

    def go() -> Proof:
        with ThreadPoolExecutor(THREADS) as pool:
            made = list(pool.map(one, enumerate(task.paths)))
        return lambda: str(sum(path.read_bytes()[-4:] == b"PAR1" for path in made))

    return go
