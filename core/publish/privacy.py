"""Privacy: what a NIfTI file carries beside its image, and whether it may be published.

Header texts, bytes behind their ends, extensions, and the name that a packed file remembers. Looks at no voxel
(faces.py) and at no other file (sidecars.py).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from core.imaging.nifti import raw_header
from core.publish.findings import Trouble, masked
from core.publish.texts import judge, named
from core.publish.unpack import Member

_TEXTS = ("descrip", "aux_file", "intent_name", "db_name", "data_type")  # the last two are gone in NIfTI-2
_DICOM = 2
_NUMBERS = frozenset({0, 20, 22, 24, 26, 28, 34})  # extensions that hold only numbers, or nothing
_WORDS = re.compile(rb"[\x20-\x7e\xa0-\xff]{3,}")
_MOST = 1 << 20  # bytes of an extension that are read for names and dates


def check_head(path: str, head: bytes, vox_offset: int) -> list[Trouble]:
    """What the decoded bytes before the first voxel carry.

    Args:
        head: as many as there are, at least the header.
        vox_offset: where the voxels begin; `head` may end before.

    Raises:
        BadVolume: no NIfTI header.
    """
    raw = raw_header(io.BytesIO(head))
    names = [name for name in _TEXTS if name in raw.keys()]  # noqa: SIM118
    found = [one for name in names for one in _field(path, name, raw[name].tobytes())]
    found += _unused(path, raw.binaryblock[-15:] if raw.sizeof_hdr == 540 else b"")
    return found + list(_extensions(path, head[raw.sizeof_hdr : vox_offset], raw.endianness))


def check_member(path: str, member: Member) -> list[Trouble]:
    """What gzip remembers of the file that was packed."""
    found = []
    own = path.rpartition("/")[2]
    if member.name and member.name.rpartition("/")[2] not in (own, own.removesuffix(".gz")):
        found.append(Trouble(named(member.name) or "gzip-name", path, f"gzip name: {masked(member.name)}"))
    if member.comment:
        found.append(Trouble(judge(member.comment) or "header-text", path, f"gzip comment: {masked(member.comment)}"))
    if member.extra:
        found.append(Trouble("header-hidden", path, "a field of gzip's"))
    if member.time:
        found.append(Trouble("gzip-time", path))
    return found


def _field(path: str, name: str, value: bytes) -> Iterator[Trouble]:
    first, *behind = value.split(b"\0")
    text = first.decode("latin-1")
    code = judge(text)
    if code is not None:
        yield Trouble(code, path, f"{name}: {masked(text)}")
    rest = b"\0".join(behind).strip(b"\0 ")
    if rest:
        shown = rest.decode("latin-1")
        if judge(shown) is not None:
            yield Trouble(named(shown) or "header-hidden", path, f"behind {name}: {masked(shown)}")


def _unused(path: str, value: bytes) -> list[Trouble]:
    return [Trouble("header-hidden", path, "the unused end of the header")] if value.strip(b"\0") else []


def _extensions(path: str, block: bytes, endianness: str) -> Iterator[Trouble]:
    """Extensions lie behind the header: 4 bytes that say whether, then size, code and content of each."""
    order = "little" if endianness == "<" else "big"
    at = 4
    while block[:1] not in (b"", b"\0") and at + 8 <= len(block):
        size, code = (int.from_bytes(block[i : i + 4], order, signed=True) for i in (at, at + 4))  # type: ignore[arg-type]
        if size < 8 or at + size > len(block):
            break
        yield from _extension(path, code, block[at + 8 : at + size])
        at += size
    if block[at:].strip(b"\0"):
        yield Trouble("header-hidden", path, "between header and image")


def _extension(path: str, code: int, content: bytes) -> Iterator[Trouble]:
    if code == _DICOM or content[128:132] == b"DICM":
        yield Trouble("extension-dicom", path)
        return
    words = b" ".join(_WORDS.findall(content[:_MOST])).decode("latin-1")
    telling = named(words)
    if telling is not None:
        yield Trouble(telling, path, f"extension {code}")
    elif code not in _NUMBERS and content.strip(b"\0 "):
        yield Trouble("extension-text", path, f"extension {code}, {len(content)} bytes")
