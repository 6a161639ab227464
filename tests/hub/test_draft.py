"""Drafts: wrong bytes never get a name."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadVolume, HubCorrupt
from core.hub.cache import Cache, Key
from core.hub.draft import Draft, Gunzip, Promise
from core.imaging.nifti import check_file
from tests.hub.conftest import drafts
from tests.hubserver.shards import COMMIT, REPO, nifti

KEY = Key(REPO, COMMIT, "sub-01", "dwi")
PACKED = nifti(1)


def no_check(path: Path) -> None:
    """Anything will do."""


def write(cache: Cache, data: bytes, step: int = 1000, promise: Promise | None = None) -> Draft:
    draft = Draft(cache, KEY, promise or Promise())
    try:
        for at in range(0, len(data), step):
            draft.write(data[at : at + step])
    except HubCorrupt:
        draft.discard()
        raise
    return draft


@pytest.mark.parametrize("step", [1, 3, 1000, 10**6])
def test_a_good_image_gets_its_name(tmp_path: Path, step: int) -> None:
    kept = write(Cache(tmp_path), PACKED, step).finish(check_file)
    assert kept.path.name == "dwi.nii.gz"
    assert kept.path.read_bytes() == PACKED
    assert (kept.bytes, kept.sha256) == (len(PACKED), hashlib.sha256(PACKED).hexdigest())
    assert Cache(tmp_path).find(KEY) == kept


def test_an_image_that_is_not_packed_is_named_so(tmp_path: Path) -> None:
    plain = nifti(1, packed=False)
    kept = write(Cache(tmp_path), plain).finish(check_file)
    assert kept.path.name == "dwi.nii"
    assert kept.path.read_bytes() == plain


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f",
        b"<html>",
        PACKED[:-1],
        PACKED[:-8],
        PACKED[:50],
        PACKED + b"x",
        PACKED[:-5] + b"\0" * 5,
        PACKED[:-4] + b"\1\2\3\4",
    ],
)
def test_wrong_bytes_leave_nothing(tmp_path: Path, data: bytes) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(HubCorrupt):
        draft = write(cache, data)
        try:
            draft.finish(no_check)
        finally:
            draft.discard()
    assert cache.find(KEY) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@given(at=st.integers(0, len(PACKED) - 1), flip=st.integers(1, 255))
def test_every_damaged_byte_that_matters_is_seen(at: int, flip: int) -> None:
    data = bytearray(PACKED)
    data[at] ^= flip
    gunzip = Gunzip("dwi")
    try:
        gunzip.feed(bytes(data))
        gunzip.finish()
    except HubCorrupt:
        return
    assert gzip.decompress(data) == gzip.decompress(PACKED)  # time stamp, system: not part of the image


def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    draft = write(cache, gzip.compress(b"\x5c\x01\0\0" + bytes(400)))
    with pytest.raises(BadVolume):
        draft.finish(check_file)
    draft.discard()
    assert drafts(tmp_path) == []
    assert cache.find(KEY) is None


def test_a_bomb_is_stopped() -> None:
    gunzip = Gunzip("dwi", limit=10_000_000)
    with pytest.raises(HubCorrupt, match="unpacks to more"):
        gunzip.feed(gzip.compress(bytes(50_000_000), 9))


def test_members_and_padding_are_allowed() -> None:
    gunzip = Gunzip("dwi")
    gunzip.feed(gzip.compress(b"a" * 100) + gzip.compress(b"b" * 100) + bytes(512))
    gunzip.finish()


def test_promises_are_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    size, sha = len(PACKED), hashlib.sha256(PACKED).hexdigest()
    oid = hashlib.sha1(f"blob {size}\0".encode() + PACKED).hexdigest()
    write(cache, PACKED, promise=Promise(size, sha)).finish(check_file)
    write(cache, PACKED, promise=Promise(size, None, oid)).finish(check_file)
    for wrong in (Promise(size + 1), Promise(size, "0" * 64), Promise(size, None, "0" * 40)):
        draft = write(cache, PACKED, promise=wrong)
        with pytest.raises(HubCorrupt, match="lists"):
            draft.finish(check_file)
        draft.discard()
