"""Drafts: wrong bytes never get a name."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import HubCorrupt
from core.hub.cache import Cache, Key
from core.hub.content import Content, Gunzip
from core.hub.draft import Draft, resume
from core.hub.part import Promise
from core.hub.shelf import KEEP_BYTES
from core.imaging.nifti import check_file, promised_bytes
from tests.hub.conftest import drafts
from tests.hubserver.shards import COMMIT, REPO, nifti

KEY = Key(REPO, COMMIT, "sub-01", "dwi")
PACKED = nifti(1)
LARGE = nifti(2, (128, 128, 64))  # a megabyte of noise
LARGE_PLAIN = nifti(2, (128, 128, 64), packed=False)


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
    with pytest.raises(HubCorrupt, match="dwi of sub-01 is no image that can be read"):
        draft.finish(check_file)
    draft.pause()
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


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_headers_promise_is_the_limit(packed: bool, step: int) -> None:
    image = nifti(1, packed=False)

    def judge(data: bytes) -> None:
        content = Content("dwi", promised_bytes)
        stored = gzip.compress(data, 1) if packed else data
        for at in range(0, len(stored), step):
            content.feed(stored[at : at + step])
        content.finish()

    judge(image)
    with pytest.raises(HubCorrupt, match="shorter than its header promises"):
        judge(image[:-1])
    with pytest.raises(HubCorrupt, match="longer than its header promises"):
        judge(image + b"x")
    with pytest.raises(HubCorrupt, match="no image that can be read"):
        judge(image[:40] + bytes(16) + image[56:])  # no axes


def test_a_bomb_behind_a_good_header_is_stopped_at_once() -> None:
    content = Content("dwi", promised_bytes)
    bomb = gzip.compress(nifti(1, packed=False) + bytes(50_000_000), 9)
    fed = 0
    with pytest.raises(HubCorrupt, match="longer than its header promises"):
        for at in range(0, len(bomb), 100):
            content.feed(bomb[at : at + 100])
            fed = at
    assert fed < len(bomb) / 2


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


def begun(cache: Cache, data: bytes, promise: Promise, killed: bool = False) -> None:
    """A part of a draft, left by a break or by a kill."""
    draft = Draft(cache, KEY, promise, first=77, total=len(LARGE))
    for at in range(0, len(data), 50_000):
        draft.write(data[at : at + 50_000])
    if killed:
        draft.close()
    else:
        draft.pause()


@pytest.mark.parametrize("killed", [True, False])
def test_a_part_is_gone_on_with(tmp_path: Path, killed: bool) -> None:
    promise, seen = Promise(place="a"), list[int]()
    begun(Cache(tmp_path), LARGE[:700_000], promise, killed)
    assert len(drafts(tmp_path)) == 2
    cache = Cache(tmp_path)  # another process: it sweeps, but not this
    draft = resume(cache, KEY, promise, promised_bytes, seen.append)
    assert draft is not None
    assert (draft.bytes, draft.first, seen[-1], draft.complete) == (700_000, 77, 700_000, False)
    draft.write(LARGE[700_000:])
    assert draft.complete
    kept = draft.finish(check_file)
    assert kept.path.read_bytes() == LARGE
    assert kept.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert drafts(tmp_path) == []


def test_a_part_of_a_whole_file_keeps_its_promise(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    oid = hashlib.sha1(f"blob {len(LARGE)}\0".encode() + LARGE).hexdigest()
    for promise in (Promise(len(LARGE), hashlib.sha256(LARGE).hexdigest()), Promise(len(LARGE), None, oid)):
        begun(cache, LARGE[:500_000], promise)
        draft = resume(cache, KEY, promise, None, lambda count: None)
        assert draft is not None
        draft.write(LARGE[500_000:])
        assert draft.finish(check_file).path.read_bytes() == LARGE


def test_a_small_part_is_not_kept(tmp_path: Path) -> None:
    begun(Cache(tmp_path), LARGE[: KEEP_BYTES - 1], Promise())
    assert drafts(tmp_path) == []
    begun(Cache(tmp_path), LARGE[: KEEP_BYTES - 1], Promise(), killed=True)
    assert resume(Cache(tmp_path), KEY, Promise(), None, lambda count: None) is None
    assert drafts(tmp_path) == []


def test_a_part_of_something_else_is_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for other in (Promise(place="b"), Promise(1, place="a"), Promise(sha256="0" * 64, place="a")):
        begun(cache, LARGE[:500_000], Promise(place="a"))
        assert resume(cache, KEY, other, None, lambda count: None) is None
        assert drafts(tmp_path) == []


@pytest.mark.parametrize("where", [0, 10, 200_000, 399_999])
def test_a_part_that_was_changed_is_thrown_away(tmp_path: Path, where: int) -> None:
    cache, promise = Cache(tmp_path), Promise(place="a")
    begun(cache, LARGE[:400_000], promise)
    part = tmp_path / KEY.part
    data = bytearray(part.read_bytes())
    data[where] ^= 1
    part.write_bytes(data)
    with pytest.raises(HubCorrupt):
        resume(cache, KEY, promise, promised_bytes, lambda count: None)
    assert drafts(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 100_000])
def test_a_part_that_was_cut_is_thrown_away(tmp_path: Path, cut: int) -> None:
    cache, promise = Cache(tmp_path), Promise(place="a")
    begun(cache, LARGE[:400_000], promise)
    (tmp_path / KEY.part).write_bytes(LARGE[: 400_000 - cut])
    with pytest.raises(HubCorrupt):
        resume(cache, KEY, promise, promised_bytes, lambda count: None)
    assert drafts(tmp_path) == []


def test_of_an_image_without_a_sum_only_what_was_noted_is_believed(tmp_path: Path) -> None:
    cache, promise = Cache(tmp_path), Promise(place="a")
    draft = Draft(cache, KEY, promise, total=len(LARGE_PLAIN))
    draft.write(LARGE_PLAIN[:300_000])
    draft.write(LARGE_PLAIN[300_000:500_000])
    draft.close()  # as after a kill: the sum was noted at 300,000
    again = resume(cache, KEY, promise, promised_bytes, lambda count: None)
    assert again is not None
    assert again.bytes == 300_000
    again.write(LARGE_PLAIN[300_000:])
    assert again.finish(check_file).path.read_bytes() == LARGE_PLAIN


def test_an_image_without_a_sum_is_noted_when_it_is_complete(tmp_path: Path) -> None:
    cache, promise = Cache(tmp_path), Promise(place="a")
    draft = Draft(cache, KEY, promise, total=len(LARGE_PLAIN))
    for at in range(0, len(LARGE_PLAIN), 70_000):
        draft.write(LARGE_PLAIN[at : at + 70_000])
    draft.close()  # as after a kill, while its neighbours were still on their way
    again = resume(cache, KEY, promise, promised_bytes, lambda count: None)
    assert again is not None
    assert again.complete
    assert again.finish(check_file).path.read_bytes() == LARGE_PLAIN


def test_a_file_that_was_changed_while_it_was_written_is_refused(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    draft = write(cache, PACKED)
    with (tmp_path / KEY.part).open("ab") as other:
        other.write(b"x")
    with pytest.raises(HubCorrupt, match="changed"):
        draft.finish(no_check)
    draft.pause()
    assert cache.find(KEY) is None
    assert drafts(tmp_path) == []
