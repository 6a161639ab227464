"""The ARC layout (OpenNeuro ds004884): BIDS by subject and session, lesion masks as a derivative.

Decides by names which file is which column; a session is a row. Opens only participants.tsv and
dataset_description.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from core.publish.choosing import Chooser
from core.publish.participants import read_licence, read_participants
from core.publish.rows import Found, Listing, Row, natural, stem
from core.publish.schema import Schema
from core.publish.values import Wanted

_RAW = re.compile(r"(sub-[^/]+)/(ses-[^/]+)/(anat|func|dwi)/[^/]+\.nii(?:\.gz)?", re.IGNORECASE)
_LESION = re.compile(
    r"derivatives/lesion_masks/(sub-[^/]+)/(ses-[^/]+)/anat/[^/]+_desc-lesion_mask\.nii(?:\.gz)?", re.IGNORECASE
)
_SUFFIXES = {
    ("anat", "t1w"): "t1w",
    ("anat", "t2w"): "t2w",
    ("anat", "flair"): "flair",
    ("func", "bold"): "bold",
    ("dwi", "dwi"): "dwi",
    ("dwi", "sbref"): "sbref",
}
_WANTED = {
    "age_at_stroke": Wanted("age_at_stroke", ("ageatstroke", "age"), "float", (0, 120)),
    "sex": Wanted("sex", ("sex", "gender"), "string"),
    "wab_aq": Wanted("wab_aq", ("wabaq", "wabaphasiaquotient", "aphasiaquotient"), "float", (0, 100)),
    "wab_type": Wanted("wab_type", ("wabtype", "aphasiatype"), "string"),
}


def read(listing: Listing, schema: Schema, pause: Callable[[], None]) -> Found:
    """The rows of a tree in this layout, one per session; `pause` may raise to stop."""
    images, sessions = _sort(listing, pause)
    here = {subject for subject, _ in sessions.values()}
    people, tables, troubles = read_participants(listing, _WANTED, here, pause)
    troubles += images.troubles
    rows = []
    for row_id in sorted(images.rows, key=natural):
        pause()
        subject, session = sessions[row_id]
        files, found = images.row(row_id, schema)
        troubles += found
        values = {"subject_id": subject, "session_id": session, **people.values_of(subject)}
        rows.append(Row(row_id, files, {column.name: values.get(column.name) for column in schema.scalars}))
    troubles += people.unmatched(here)
    licence, about, more = read_licence(listing)
    return Found(
        schema,
        tuple(rows),
        (*troubles, *more),
        tables=(*about, *tables),
        spare=tuple(sorted(images.second)),
        licence=licence,
    )


def _sort(listing: Listing, pause: Callable[[], None]) -> tuple[Chooser, dict[str, tuple[str, str]]]:
    """The images by session and column, and row id -> (subject, session)."""
    images, sessions = Chooser(), {}
    for path, file in listing.files.items():
        pause()
        column, found = _column(path)
        if found is None or column is None:
            continue
        subject, session = found[1], found[2]
        row_id = f"{subject}_{session}"
        if not stem(path).startswith(f"{row_id}_"):
            images.misnamed(path, stem(path), f"{row_id}_")
            continue
        sessions[row_id] = (subject, session)
        images.add(row_id, column, file)
    return images, sessions


def _column(path: str) -> tuple[str | None, re.Match[str] | None]:
    lesion = _LESION.fullmatch(path)
    if lesion:
        return "lesion", lesion
    raw = _RAW.fullmatch(path)
    suffix = stem(path).rpartition("_")[2].lower()
    return (_SUFFIXES.get((raw[3].lower(), suffix)) if raw else None), raw
