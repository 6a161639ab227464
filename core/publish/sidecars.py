"""Sidecars: what the JSON files and tables beside images tell of people, dates and places.

They are not published from here. But who has a name in a sidecar has not made the images anonymous either, and a folder
that is shared is shared with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from core.publish.findings import Trouble, masked
from core.publish.participants import DESCRIPTION, read_json
from core.publish.rows import Listing
from core.publish.tables import read_tsv
from core.publish.texts import holds_date
from core.publish.values import says_nothing

_PERSON = re.compile(
    r"(other)?patient(s?mother)?s?(birth)?(name|id|ids|names|birthdate|address|telephonenumbers|comments)|accessionnumber"
    r"|(referring|performing|requesting|attending)physicians?(name)?|operatorsname|medicalrecordlocator|issuerofpatientid"
)
_DATED = re.compile(r"(acquisition|study|series|content|instancecreation|scan)date(time)?|acquisitiondatetime|scandate")
_PLACE = re.compile(
    r"institution(name|address|aldepartmentname)|stationname|deviceserialnumber|(study|series)instanceuid"
)
_TIME = re.compile(r"(acquisition|study|series|content)time")
_ANONYMOUS = re.compile(r"anon\w*|de-?identified|removed|redacted|x+|0+|none|sub-\w+", re.IGNORECASE)
_OLD = re.compile(r"\s*(1[0-8]\d\d|19[01]\d|192[0-5])")


def check_sidecars(listing: Listing, cancelled: Callable[[], None]) -> Iterator[Trouble]:
    """Fields of sidecars that tell too much.

    Args:
        cancelled: called before each file; may raise to stop.
    """
    for path in listing.files:
        name = path.rpartition("/")[2].lower()
        if name.endswith(".json") and name != DESCRIPTION:
            cancelled()
            found = read_json(listing, path)
            if found is None:
                yield Trouble("json-unreadable", path)
            else:
                yield from _fields(path, found)
        elif name.endswith(("_scans.tsv", "_sessions.tsv")):
            cancelled()
            table, troubles = read_tsv(listing.place(path), path)
            yield from troubles
            dated = {head for row in table.rows for head, cell in row.items() if holds_date(cell)}
            yield from (Trouble("sidecar-date", path, head) for head in sorted(dated))


def _fields(path: str, found: Any, depth: int = 0) -> Iterator[Trouble]:
    if isinstance(found, list):
        for one in found[:100]:
            yield from _fields(path, one, depth + 1)
    if not isinstance(found, Mapping) or depth > 8:
        return
    for key, value in found.items():
        if isinstance(value, Mapping | list):
            yield from _fields(path, value, depth + 1)
        elif not says_nothing(value) and not _ANONYMOUS.fullmatch(str(value).strip()):
            code = _code("".join(c for c in str(key).lower() if c.isalnum()), str(value))
            if code:
                yield Trouble(code, path, f"{_key(key)}: {masked(str(value))}")


def _code(key: str, value: str) -> str | None:
    if _PERSON.fullmatch(key):
        return "sidecar-person"
    if _DATED.fullmatch(key):
        return None if _OLD.match(value) else "sidecar-date"
    if _PLACE.fullmatch(key):
        return "sidecar-date"
    return "header-time" if _TIME.fullmatch(key) else None


def _key(key: object) -> str:
    """A field's name, which is nobody's secret, cut to a bearable length."""
    return "".join(c for c in str(key) if c.isprintable())[:60]
