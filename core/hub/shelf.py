"""Shelf: small records on disk that can be made again: a tree, a footer, the commit of a branch.

A record is JSON under the digest of its own bytes; one that was cut or changed reads as absent. Written beside, then
renamed. Not for images (cache).
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from contextlib import suppress
from pathlib import Path

from core.errors import BadSettings, DiskFull, StrokescopeError

_NUMBERS = itertools.count()
MAX_RECORD = 256 * 2**20
DRAFT_PREFIX = ".part-"  # .part-<pid>-<number>-<name>: being written; .part-<modality>: an image, perhaps to go on
KEEP_BYTES = 256 * 2**10  # an unfinished image that is smaller is not worth going on with


def draft_name(name: str) -> str:
    """A name for a file that will be renamed to `name`, unlike any other draft's."""
    return f"{DRAFT_PREFIX}{os.getpid()}-{next(_NUMBERS)}-{name}"


def disk_error(error: OSError) -> StrokescopeError:
    """The error for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("the disk is full", hint="clear the cache on the Resources page, or free some space")
    return BadSettings("the cache folder cannot be written", hint="set STROKESCOPE_CACHE_DIR to a folder of your own")


def write_record(path: Path, record: object) -> None:
    """Keep the record at the path.

    Raises:
        DiskFull, BadSettings: the file cannot be written; nothing is left behind.
    """
    body = json.dumps(record, separators=(",", ":")).encode()
    write_file(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def keep_record(path: Path, record: object) -> bool:
    """Keep the record at the path if that can be: False when the disk is full or the folder cannot be written.

    For what only saves a request next time; to lack it is no error.
    """
    try:
        write_record(path, record)
    except (DiskFull, BadSettings):
        return False
    return True


def write_file(path: Path, data: bytes) -> None:
    """Put the bytes at the path in one step.

    Raises:
        DiskFull, BadSettings: the file cannot be written; nothing is left behind.
    """
    draft = path.with_name(draft_name(path.name))
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(data)
        except (FileNotFoundError, FileExistsError):  # somebody removed the folder meanwhile because it was empty
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(data)
        draft.replace(path)  # without fsync: a record that a power cut spoils reads as absent
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise disk_error(error) from None


def read_record(path: Path) -> object:
    """The record at the path, or None if there is none that is whole."""
    try:
        if path.stat().st_size > MAX_RECORD:
            return None
        digest, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        return json.loads(body)
    except (OSError, ValueError, RecursionError):
        return None
