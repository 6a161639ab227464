"""Headers: what was learned of images that are not here, so that asking again costs nothing.

Keeps the decoded first bytes of each image beside the footers of its commit, and the parsed header in memory. Does not
fetch; nothing vouches for these bytes until the image itself is here.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from core.case import MODALITIES
from core.errors import BadVolume, ModalityAbsent
from core.hub.heads import HEAD
from core.hub.shelf import keep_record, read_record
from core.imaging.nifti import HEAD_BYTES, Header, parse_head
from core.imaging.stream import decoded_head

MOST_KEPT = 2000  # headers in memory, about 1 KB each
LONG_HEAD = 80_000  # bytes that hold the header behind the longest name and comment that a gzip usually has
Ask = Callable[[int], bytes | None]  # so many first bytes of the image, or all of them; None where there is no image


class Headers:
    """The headers of one commit. Safe to use from several threads.

    Args:
        folder: for the records; made when one is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: OrderedDict[tuple[str, str], Header] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, case_id: str, modality: str, ask: Ask) -> Header:
        """The header, from memory, disk, or by asking for the image's first bytes; twice if they make no sense.

        Raises:
            ModalityAbsent: there is no image. BadVolume: it is none, or its header cannot be true.
            And whatever `ask` raises.
        """
        key = (case_id, modality)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._recall(key) or self._learn(key, ask)
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return known

    def _learn(self, key: tuple[str, str], ask: Ask) -> Header:
        for length in (HEAD, LONG_HEAD):
            head = ask(length)
            if head is None:
                raise absent(*key)
            try:
                decoded = decoded_head(head, HEAD_BYTES)
                header = parse_head(decoded)
                break
            except BadVolume:
                if length == LONG_HEAD:
                    raise
        keep_record(self._record(key), {"key": list(key), "head": base64.b64encode(decoded).decode()})
        return header

    def _recall(self, key: tuple[str, str]) -> Header | None:
        record = read_record(self._record(key))
        if not isinstance(record, dict) or record.get("key") != list(key):
            return None
        try:
            return parse_head(base64.b64decode(record["head"]))
        except (KeyError, TypeError, ValueError, BadVolume):
            return None

    def _record(self, key: tuple[str, str]) -> Path:
        return self._folder / f"{hashlib.sha256('/'.join(key).encode()).hexdigest()[:24]}.json"


def absent(case_id: str, modality: str) -> ModalityAbsent:
    """The error for an image that a case does not have."""
    label = MODALITIES[modality].label if modality in MODALITIES else "such image"
    return ModalityAbsent(f"{case_id} has no {label}", hint="choose another image of the case")
